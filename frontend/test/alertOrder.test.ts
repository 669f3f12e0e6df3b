import { describe, expect, it } from 'vitest';
import { chooseRows, compareAlerts, countUnacknowledged } from '../src/wall/alertOrder';
import { alert } from './alert';

describe('the order of alerts', () => {
  it('is unacknowledged, severity, newest', () => {
    const expected = [
      alert({ id: 'emergency', severity: 'emergency', age: 900 }),
      alert({ id: 'new critical', severity: 'critical', age: 10 }),
      alert({ id: 'old critical', severity: 'critical', age: 500 }),
      alert({ id: 'warning', age: 5 }),
      alert({ id: 'seen emergency', severity: 'emergency', state: 'acknowledged', age: 1 }),
      alert({ id: 'returned', severity: 'critical', state: 'returned_unacknowledged', age: 1 }),
    ];
    expect([...expected].reverse().sort(compareAlerts).map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
  });

  it('takes an unknown severity for a critical one', () => {
    const [first] = [alert({ severity: 'warning' }), alert({ id: 'x', severity: 'catastrophic' })].sort(compareAlerts);
    expect(first?.id).toBe('x');
  });
});

describe('the rows', () => {
  it('leave out information, and what is shelved, suppressed or out of service', () => {
    const rows = chooseRows(
      [
        alert({ severity: 'info' }),
        alert({ state: 'shelved' }),
        alert({ state: 'suppressed' }),
        alert({ state: 'out_of_service' }),
        alert({ id: 'shown' }),
      ],
      7,
      false,
    );
    expect(rows.lines.map((line) => line.alert.id)).toEqual(['shown']);
    expect(rows.more).toBe(0);
  });

  it('never let a warning displace a critical, even an acknowledged one', () => {
    const warnings = Array.from({ length: 9 }, () => alert({}));
    const rows = chooseRows(
      [...warnings, alert({ id: 'seen', severity: 'critical', state: 'acknowledged' })],
      7,
      false,
    );
    expect(rows.lines).toHaveLength(7);
    expect(rows.lines.map((line) => line.alert.id)).toContain('seen');
    expect(rows.more).toBe(3);
  });

  it('count every alert exactly once', () => {
    const alerts = Array.from({ length: 30 }, (_, i) =>
      alert({ severity: ['warning', 'critical', 'emergency'][i % 3] as string, rule: `r${i % 4}` }),
    );
    for (const flood of [false, true]) {
      const rows = chooseRows(alerts, 7, flood);
      expect(rows.lines.reduce((sum, line) => sum + line.count, rows.more)).toBe(30);
    }
  });

  it('put the warnings of one rule on one line in a flood', () => {
    const rows = chooseRows(
      [...Array.from({ length: 12 }, () => alert({ rule: 'rain' })), alert({ id: 'c', severity: 'critical' })],
      7,
      true,
    );
    expect(rows.lines.map((line) => line.count)).toEqual([1, 12]);
  });
});

it('counts what nobody has acknowledged', () => {
  expect(
    countUnacknowledged([
      alert({ severity: 'emergency' }),
      alert({ severity: 'critical', state: 'acknowledged' }),
      alert({ severity: 'odd' }),
      alert({ state: 'returned_unacknowledged' }),
      alert({ state: 'shelved' }),
      alert({ severity: 'info' }),
    ]),
  ).toEqual({ emergency: 1, critical: 1, warning: 1, shelved: 1 });
});
