import { describe, expect, it } from 'vitest';
import { isQuietMoment, ownMinute, type Night } from '../src/shell/plannedReload';

/** 03:45 in the city, which is 20:45 UTC of the day before. */
const night: Night = {
  now: Date.UTC(2026, 10, 21, 20, 45),
  timezone: 'Asia/Ho_Chi_Minh',
  age: 24 * 3_600_000,
  nothingWaits: true,
  connected: true,
};
const at = (hours: number, minutes: number) => ({ ...night, now: Date.UTC(2026, 10, 21, hours, minutes) });

describe('the planned reload', () => {
  it('comes from the screen’s own minute on, and not after four', () => {
    expect(isQuietMoment(at(20, 41), 12)).toBe(false);
    expect(isQuietMoment(at(20, 42), 12)).toBe(true);
    expect(isQuietMoment(at(20, 59), 12)).toBe(true);
    expect(isQuietMoment(at(21, 0), 12)).toBe(false);
    expect(isQuietMoment(at(20, 29), 0)).toBe(false);
    expect(isQuietMoment(at(20, 30), 0)).toBe(true);
  });

  it('goes by the city’s time', () => {
    expect(isQuietMoment(at(3, 45), 0)).toBe(false);
    expect(isQuietMoment({ ...at(3, 45), timezone: 'UTC' }, 0)).toBe(true);
  });

  it('waits while somebody is needed, while the connection is lost, and after a late start', () => {
    expect(isQuietMoment(night, 0)).toBe(true);
    expect(isQuietMoment({ ...night, nothingWaits: false }, 0)).toBe(false);
    expect(isQuietMoment({ ...night, connected: false }, 0)).toBe(false);
    expect(isQuietMoment({ ...night, age: 3_600_000 }, 0)).toBe(false);
  });

  it('is another minute on another screen, always within the half hour', () => {
    expect([0, 0.5, 0.999999].map((chance) => ownMinute(() => chance))).toEqual([0, 15, 29]);
  });
});
