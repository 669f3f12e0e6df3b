import { expect, it } from 'vitest';
import type { Catalogue } from '../src/stores/catalogue';
import { LiveStore } from '../src/stores/live';
import { comparisonOf, describe as describeAlert } from '../src/wall/describe';
import { alert } from './alert';

const NBSP = '\u00a0';
const short = { vi: 'Triều', en: 'Tide' };
const catalogue: Catalogue = new Map([['environment/water_level_m', { cadenceS: 10, decimals: 2, short }]]);
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

it('falls back on the alert where nothing was heard of its sensor', () => {
  expect(describeAlert(tide, 5_000, catalogue, new LiveStore(() => 10))[1]).toBe(`1,62${NBSP}m > 1,60`);
});
