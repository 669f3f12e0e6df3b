import { describe, expect, it } from 'vitest';
import { placeLabels, type Box, type Pin } from '../src/map/labels';
import { fit } from '../src/map/projection';
import { causeOf } from '../src/sound/plan';
import { linkOf, staleness } from '../src/staleness';
import { readCatalogue } from '../src/stores/catalogue';
import * as access from '../src/text/accessMessages';
import * as acts from '../src/text/actMessages';
import { catalogue } from '../src/text/messages';
import * as operation from '../src/text/operationMessages';
import { age, clock, elapsed, figure, number, places, withUnit } from '../src/text/format';
import { burnInShift, floorPx, layoutFor } from '../src/wall/layout';
import { direction, drawTrend } from '../src/wall/trend';
import { alert } from './alert';

describe('staleness', () => {
  it('is judged by each metric’s own cadence', () => {
    expect(staleness(19_000, 10)).toBe('fresh');
    expect(staleness(21_000, 10)).toBe('late');
    expect(staleness(31_000, 10)).toBe('stale');
    expect(staleness(31_000, 60)).toBe('fresh');
    expect(staleness(null, 60)).toBe('stale');
  });

  it('of the link begins at 6 s and is blind at 30 s', () => {
    expect([0, 5_999, 6_000, 29_999, 30_000].map(linkOf)).toEqual(['live', 'live', 'lost', 'lost', 'blind']);
  });
});

describe('numbers and times', () => {
  it('are written as in Vietnam', () => {
    expect(number(1.62, 2)).toBe('1,62');
    expect(number(1240, 0)).toBe('1.240');
    expect(withUnit('64', 'mm/h')).toBe('64\u00a0mm/h');
    expect(figure(1240, 0, 'xe/h')).toEqual({ text: '1.240', unit: 'xe/h' });
    expect(figure(41_230, 0, 'xe/h')).toEqual({ text: '41,2', unit: 'ngàn xe/h' });
    expect(figure(999_960, 0, 'xe/h')).toEqual({ text: '1,00', unit: 'triệu xe/h' });
    expect([7, 1.6, 1.62, 1.625].map(places)).toEqual([0, 1, 2, 2]);
  });

  it('grow coarser with age and never run backwards', () => {
    expect([-500, 2_000, 59_999, 840_000, 7_200_000, 3 * 86_400_000].map(age)).toEqual(
      ['0 s', '2 s', '59 s', '14 ph', '2 h', '3 ngày'].map((text) => text.replace(' ', '\u00a0')),
    );
    expect([192_000, 665_000, 3_849_000, 3 * 86_400_000].map(elapsed)).toEqual([
      '3:12',
      '11:05',
      '1:04:09',
      '3\u00a0ngày',
    ]);
  });

  it('are the city’s, whatever the screen is set to', () => {
    expect(clock(Date.UTC(2026, 10, 22, 17, 6, 42), 'Asia/Ho_Chi_Minh', true)).toBe('00:06:42');
  });
});

describe('the message catalogue', () => {
  it('has every text in both languages, in composed form', () => {
    expect(Object.keys(catalogue.en).sort()).toEqual(Object.keys(catalogue.vi).sort());
    for (const texts of Object.values(catalogue)) {
      for (const text of Object.values(texts)) {
        expect(text).not.toBe('');
        expect(text).toBe(text.normalize('NFC'));
      }
    }
  });

  it('has no text that another of the same name takes the place of', () => {
    for (const part of [access, acts, operation]) {
      expect(catalogue.vi).toMatchObject(part.vi);
      expect(catalogue.en).toMatchObject(part.en);
    }
  });
});

describe('the layout', () => {
  it('is the drawing on the reference screen', () => {
    expect(layoutFor(new URLSearchParams())).toMatchObject({ type: 1, alertRows: 7, incidentRows: 3, sectorRows: 3, sectorFoot: true });
  });

  it('drops rows, never type size, on a smaller or more distant screen', () => {
    const layout = layoutFor(new URLSearchParams('inch=55&dist=4'));
    expect(floorPx(layout)).toBeCloseTo(39.9, 1);
    expect(layout.alertRows).toBe(4);
    expect(layout.sectorRows).toBe(2);
    expect(layoutFor(new URLSearchParams('inch=200')).type).toBe(1);
    expect(layoutFor(new URLSearchParams('inch=x&dist=-2')).type).toBe(1);
  });

  it('shifts by two pixels at most, each quarter of an hour', () => {
    const shifts = Array.from({ length: 20 }, (_, i) => burnInShift(i * 900_000));
    expect(shifts.flat().every((px) => Math.abs(px) <= 2)).toBe(true);
    expect(new Set(shifts.map(String)).size).toBeGreaterThan(5);
    expect(burnInShift(900_000 - 1)).toEqual(burnInShift(0));
  });
});

describe('a trend line', () => {
  const now = 10 * 3_600_000;
  const minutes = (from: number, to: number): [number, number][] =>
    Array.from({ length: to - from }, (_, i) => [now - 3_600_000 + (from + i) * 60_000, from + i]);

  it('stays in its box and breaks where data are missing', () => {
    const { line, now: dot } = drawTrend([...minutes(0, 20), ...minutes(40, 60)], [], now, 96, 44);
    expect(line.match(/M/gu)).toHaveLength(2);
    const [x = -1, y = -1] = dot ?? [];
    expect(x).toBeLessThanOrEqual(90);
    expect(y).toBeGreaterThanOrEqual(4);
  });

  it('lays the same hour of last week under it', () => {
    const week = 7 * 24 * 3_600_000;
    const before = minutes(0, 60).map(([t, v]): [number, number] => [t - week, v]);
    expect(drawTrend(minutes(0, 60), before, now, 96, 44).ghost).toBe(drawTrend(minutes(0, 60), [], now, 96, 44).line);
  });

  it('is nothing without data', () => {
    expect(drawTrend([], [], now, 96, 44)).toEqual({ line: '', ghost: '', now: null });
  });

  it('tells rising from level', () => {
    expect(direction(minutes(0, 60))).toBe('up');
    expect(direction(minutes(0, 60).map(([t]) => [t, 5]))).toBe('level');
    expect(direction([])).toBe('level');
  });
});

describe('the map', () => {
  it('keeps the whole piece of the city in the box', () => {
    const view = fit([106.5, 10.6, 106.9, 10.95], 800, 640, 14);
    for (const [lon, lat] of [
      [106.5, 10.6],
      [106.9, 10.95],
    ] as const) {
      const [x, y] = view.project(lon, lat);
      expect(x).toBeGreaterThanOrEqual(13.99);
      expect(x).toBeLessThanOrEqual(786.01);
      expect(y).toBeGreaterThanOrEqual(13.99);
      expect(y).toBeLessThanOrEqual(626.01);
    }
    expect(view.project(...view.centre).map(Math.round)).toEqual([400, 320]);
  });

  const area: Box = { x: 0, y: 0, width: 800, height: 640 };
  const label = { width: 180, height: 76, important: true };

  it('places labels apart from each other, from pins and inside', () => {
    const pins: Pin[] = Array.from({ length: 12 }, (_, i) => ({
      id: `${i}`,
      x: 300 + (i % 4) * 50,
      y: 250 + Math.floor(i / 4) * 50,
      label,
    }));
    const boxes = [...placeLabels(pins, area, [], new Map()).values()];
    expect(boxes.length).toBeGreaterThan(3);
    boxes.forEach((a, i) => {
      expect(a.x).toBeGreaterThanOrEqual(0);
      expect(a.y + a.height).toBeLessThanOrEqual(640);
      for (const b of boxes.slice(i + 1)) {
        expect(a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height).toBe(false);
      }
    });
  });

  it('leaves a label where it stands when another one comes', () => {
    const old: Pin = { id: 'old', x: 400, y: 300, label };
    const before = placeLabels([old], area, [], new Map()).get('old') as Box;
    const offset: [number, number] = [before.x - 400, before.y - 300];
    const after = placeLabels([{ id: 'new', x: 100, y: 500, label }, old], area, [], new Map([['old', offset]]));
    expect(after.get('old')).toEqual(before);
  });
});

it('calls with the highest cause that nobody has acknowledged', () => {
  const warning = alert({});
  const critical = alert({ severity: 'critical' });
  expect(causeOf([], false)).toBeNull();
  expect(causeOf([warning], false)).toBe('warning');
  expect(causeOf([warning], true)).toBe('lost');
  expect(causeOf([warning, critical], true)).toBe('critical');
  expect(causeOf([critical, alert({ severity: 'emergency' })], false)).toBe('emergency');
  expect(causeOf([alert({ severity: 'critical', state: 'acknowledged' })], false)).toBeNull();
});

it('reads the catalogue, and leaves out what it does not understand', () => {
  const short = { vi: 'Mưa', en: 'Rain' };
  const body = { sectors: [{ sector: 'environment', metrics: [{ metric: 'rain', cadence_s: 10, decimals: 1, unit: 'mm', short }, {}] }] };
  expect([...readCatalogue(body)]).toEqual([['environment/rain', { cadenceS: 10, decimals: 1, unit: 'mm', short }]]);
  expect([...readCatalogue(null)]).toEqual([]);
});
