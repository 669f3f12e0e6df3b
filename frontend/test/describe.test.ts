import { expect, it } from 'vitest';
import type { Catalogue } from '../src/stores/catalogue';
import type { SectorState } from '../src/protocol/messages';
import { LiveStore } from '../src/stores/live';
import { calloutOf } from '../src/map/callout';
import { comparisonOf, describe as describeAlert, worstOf } from '../src/wall/describe';
import { alert } from './alert';

const NBSP = '\u00a0';
const short = { vi: 'Triều', en: 'Tide' };
const catalogue: Catalogue = new Map([['environment/water_level_m', { cadenceS: 10, decimals: 2, unit: 'm', short }]]);
const tide = alert({
  sector: 'environment',
  metric: 'water_level_m',
  asset: 'PA-1',
  unit: 'm',
  value: 1.62,
  limit: 1.6,
  zone_name: { vi: 'Phường Sài Gòn', en: 'Sai Gon Ward' },
});

function heard(time: number, value: number): LiveStore {
  const live = new LiveStore(() => 10);
  live.snapshot({
    type: 'snapshot',
    channel: 'live',
    seq: 0,
    series: [[7, 'environment', 'PA-1', 'water_level_m', '26740', 106.7, 10.77]],
    values: [[7, time, value]],
  });
  return live;
}

it('says value and limit with the same number of places', () => {
  expect(comparisonOf(tide, catalogue)).toBe(`1,62${NBSP}m > 1,60`);
});

it('says the value of now, not the one at which the alert was raised', () => {
  expect(describeAlert(tide, 5_000, catalogue, heard(1_000, 1.67))).toEqual([
    'Sài Gòn',
    `1,67${NBSP}m > 1,60`,
    'chưa nhận',
  ]);
});

it('does not claim that a value is beyond the limit when it is not', () => {
  expect(describeAlert(tide, 5_000, catalogue, heard(1_000, 1.58))[1]).toBe(`1,58${NBSP}m · ngưỡng 1,60`);
});

it('says since when its sensor is silent', () => {
  expect(describeAlert(tide, 841_000, catalogue, heard(1_000, 1.67))[1]).toBe(`mất tín hiệu 14${NBSP}ph`);
});

it('says beside the pin what the row says: the value of now, or since when there is none', () => {
  const callout = (now: number, live: LiveStore, count = 1) => calloutOf(tide, count, now, catalogue, live);
  expect(callout(5_000, heard(1_000, 1.67))).toEqual([`Triều 1,67${NBSP}m`, 'Sài Gòn']);
  expect(callout(31_000, heard(1_000, 1.67))).toEqual([`Triều 1,67${NBSP}m`, 'Sài Gòn']);
  const silent = heard(1_000, 1.67);
  expect(callout(31_001, silent)).toEqual([`Triều mất tín hiệu 30${NBSP}s`, 'Sài Gòn']);
  expect(callout(841_000, silent, 2)).toEqual([`Triều mất tín hiệu 14${NBSP}ph ×2`, 'Sài Gòn']);
  expect(callout(841_000, silent)[0]).toContain(describeAlert(tide, 841_000, catalogue, silent)[1]);
});

it('does not take for a measured value how long nothing came, or how often it did', () => {
  const beside = (comparison: string, value: number, unit: string) =>
    calloutOf(alert({ ...tide, comparison, value, limit: 1, unit }), 1, 5_000, catalogue, new LiveStore(() => 10))[0];
  expect(beside('absent', 600, 's')).toBe(`Triều không có dữ liệu 10${NBSP}ph`);
  expect(beside('at_least', 12, '')).toBe('Triều 12 điểm đo cùng lúc');
  expect(beside('outside', 1.62, 'm')).toBe(`Triều 1,62${NBSP}m`);
});

it('falls back on the alert where nothing was heard of its sensor', () => {
  expect(describeAlert(tide, 5_000, catalogue, new LiveStore(() => 10))[1]).toBe(`1,62${NBSP}m > 1,60`);
});

it('says in words what is held against no limit, whatever is measured now', () => {
  const worded = (comparison: string, value: number | null, limit: number | null, unit = 'm') =>
    describeAlert(alert({ ...tide, comparison, value, limit, unit }), 5_000, catalogue, heard(1_000, 9))[1];
  expect(worded('outside', 1.62, null)).toBe(`1,62${NBSP}m · ngoài khoảng cho phép`);
  expect(worded('all', 1.62, null)).toBe(`1,62${NBSP}m · nhiều dấu hiệu cùng lúc`);
  expect(worded('absent', 600, 600, 's')).toBe(`không có dữ liệu 10${NBSP}ph`);
  expect(worded('frozen', 1800, 600, 's')).toBe(`đứng yên 30${NBSP}ph`);
  expect(worded('repeats', 5, 3, '')).toBe('5 lần');
  expect(worded('at_least', 12, 10, '')).toBe('12 điểm đo cùng lúc');
  expect(worded('any', null, null)).toBe('một trong các dấu hiệu');
  expect(worded('unusual', 1.62, null)).toBe(`1,62${NBSP}m`);
});

const environment: SectorState = {
  sector: 'environment',
  title: { vi: 'Môi trường', en: 'Environment' },
  figures: [],
  assets_alive: 1,
  assets_total: 1,
  worst: null,
  feed: { newest: null, age_s: null, max_s: null, dead: false },
};
const worst = { zone: '26740', name: { vi: 'Phường Sài Gòn', en: 'Sai Gon Ward' }, metric: 'water_level_m', value: 1.584 };
const written = (part: Partial<SectorState>) => worstOf({ ...environment, ...part }, catalogue);

it('names the worst place with its value and the unit that center sends', () => {
  expect(written({ worst: { ...worst, metric: 'flood_cm', value: 33, unit: 'cm', decimals: 0 } })).toEqual([
    'Sài Gòn',
    `${NBSP}33${NBSP}cm`,
  ]);
});

it('takes unit and places from the figure of the same metric, else from the catalogue', () => {
  const figure = { metric: 'rain_mm_h', unit: 'mm/h', decimals: 1, value: 3, time: null, cadence_s: 10 };
  const figures = [{ ...figure, label: short, trend: [], last_week: [], severity: null }];
  expect(written({ figures, worst: { ...worst, metric: 'rain_mm_h', value: 64 } })).toEqual(['Sài Gòn', `${NBSP}64,0${NBSP}mm/h`]);
  expect(written({ worst })).toEqual(['Sài Gòn', `${NBSP}1,58${NBSP}m`]);
});

it('shows no value without its unit, and nothing without a place', () => {
  expect(written({ worst: { ...worst, metric: 'unheard_of' } })).toEqual(['Sài Gòn']);
  expect(written({ worst: { ...worst, value: null } })).toEqual(['Sài Gòn']);
  expect(written({ worst: { ...worst, name: null } })).toEqual([]);
  expect(written({})).toEqual([]);
});
