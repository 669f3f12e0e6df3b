import { describe, expect, it } from 'vitest';
import type { EngineLate, SectorState } from '../src/protocol/messages';
import { CityStore } from '../src/stores/city.svelte';
import { compareAlerts } from '../src/wall/alertOrder';
import { clockOf, comparisonThen, placeOf } from '../src/wall/describe';
import { earliest, engineNotice, sectorBanner } from '../src/wall/engineLate';
import { aheadOf, sinceOf } from '../src/wall/since';
import { alert } from './alert';

const NBSP = '\u00a0';
const NOON = Date.UTC(2026, 10, 22, 12);
const at = (second: number) => new Date(NOON + second * 1000).toISOString();

describe('an alert from a clock that is ahead', () => {
  const ahead = alert({ id: 'ahead', raised_at: at(290), recorded_at: at(0), asset: 'PA-1' });

  it('is as old as its recording, and says by how much the clock is wrong', () => {
    expect(sinceOf(ahead)).toBe(NOON);
    expect(aheadOf(ahead)).toBe(290_000);
    expect(clockOf(ahead)).toBe(`đồng hồ${NBSP}+4:50`);
  });

  it('does not stay above what came after it', () => {
    const newer = alert({ id: 'newer', raised_at: at(60), recorded_at: at(60) });
    expect([ahead, newer].sort(compareAlerts).map(({ id }) => id)).toEqual(['newer', 'ahead']);
  });

  it('keeps the time of its cause where that came first, and a word for seconds nobody sets a clock by', () => {
    expect(sinceOf(alert({ raised_at: at(-600), recorded_at: at(0) }))).toBe(NOON - 600_000);
    expect(clockOf(alert({ raised_at: at(9), recorded_at: at(0) }))).toBe('');
    expect(sinceOf(alert({ raised_at: at(290) }))).toBe(NOON + 290_000);
  });
});

describe('what the console says of an alert', () => {
  it('is the value of its last transition, and of when', () => {
    const tide = alert({ metric: 'water_level_m', unit: 'm', value: 1.62, limit: 1.6, last_data_at: at(0) });
    expect(comparisonThen(tide, new Map(), 'Asia/Ho_Chi_Minh', true)).toBe(`1,62${NBSP}m > 1,60 lúc${NBSP}19:00:00`);
  });

  it('is that a code is the code of an asset', () => {
    expect(placeOf(alert({ asset: 'VVK-0012' }))).toBe(`điểm đo${NBSP}VVK-0012`);
  });
});

describe('an engine that does not judge', () => {
  const titles = { traffic: 'Giao thông', health: 'Y tế', environment: 'Môi trường', energy: 'Năng lượng' };
  const sectors = new Map(
    Object.entries(titles).map(([sector, vi]) => [sector, { sector, title: { vi, en: vi } } as SectorState]),
  );
  const late = (sector: string, state: EngineLate['state'] = 'stalled', since: string | null = at(0)): EngineLate => ({
    sector,
    state,
    since,
  });

  it('is said with since when, and of which sectors', () => {
    expect(engineNotice([], sectors, 'Asia/Ho_Chi_Minh')).toBeNull();
    expect(engineNotice([late('health')], sectors, 'Asia/Ho_Chi_Minh')).toEqual({
      title: 'BÁO ĐỘNG NGỪNG từ 19:00:00',
      detail: 'Y tế: dữ liệu mới chưa được xét',
    });
    const three = [late('health'), late('traffic', 'behind', at(-5)), late('energy')];
    expect(engineNotice(three, sectors, 'Asia/Ho_Chi_Minh')).toEqual({
      title: 'BÁO ĐỘNG NGỪNG từ 18:59:55',
      detail: 'Y tế, Giao thông +1: dữ liệu mới chưa được xét',
    });
  });

  it('is told from one that works and is behind', () => {
    expect(engineNotice([late('health', 'behind')], sectors, 'Asia/Ho_Chi_Minh')?.title).toBe(
      'BÁO ĐỘNG CHẬM mới xét đến 19:00:00',
    );
    expect(sectorBanner([late('health', 'behind')], 'health')).toBe('BÁO ĐỘNG CHẬM');
    expect(sectorBanner([late('health')], 'traffic')).toBe('');
  });

  it('that never judged anything has no time', () => {
    const all = [...sectors.keys()].map((sector) => late(sector, 'stalled', null));
    expect(engineNotice(all, sectors, 'Asia/Ho_Chi_Minh')).toEqual({
      title: 'BÁO ĐỘNG NGỪNG',
      detail: 'Mọi lĩnh vực: dữ liệu mới chưa được xét',
    });
    expect(earliest(all)).toBeNull();
  });

  it('is forgotten with a snapshot that does not tell of it', () => {
    const city = new CityStore();
    const told = { type: 'snapshot', channel: 'city', seq: 1, sectors: [] };
    city.snapshot({ ...told, engine_late: [late('health')] } as never);
    expect(city.engineLate).toHaveLength(1);
    city.delta({ type: 'delta', channel: 'city', seq: 2, prev: 1 });
    expect(city.engineLate).toHaveLength(1);
    city.snapshot(told as never);
    expect(city.engineLate).toEqual([]);
  });
});
