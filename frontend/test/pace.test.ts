import { beforeEach, describe, expect, it } from 'vitest';
import { Pace } from '../src/map/pace';
import { ManualTime } from './manualTime';

describe('when the map is drawn', () => {
  let time: ManualTime;
  let drawn: number[];
  let pace: Pace;
  beforeEach(() => {
    time = new ManualTime();
    drawn = [];
    pace = new Pace(time, () => drawn.push(time.now()));
  });

  it('is at once where no alert is on its way', () => {
    time.advance(5_000);
    pace.changed();
    time.advance(0);
    expect(drawn).toEqual([5_000]);
  });

  it('waits until the row of an alert has been painted', () => {
    time.advance(5_000);
    pace.alert();
    pace.changed();
    time.advance(40);
    pace.alert();
    time.advance(149);
    expect(drawn).toEqual([]);
    time.advance(1);
    expect(drawn).toEqual([5_190]);
  });

  it('is never more than a second behind, however fast alerts come', () => {
    time.advance(5_000);
    for (let i = 0; i < 100; i++) {
      pace.alert();
      pace.changed();
      time.advance(100);
    }
    expect(drawn[0]).toBe(6_000);
    const gaps = drawn.slice(1).map((at, i) => at - (drawn[i] as number));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_100);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1_000);
  });

  it('is once for what comes within a second', () => {
    time.advance(5_000);
    pace.changed();
    time.advance(0);
    pace.changed();
    time.advance(600);
    pace.changed();
    time.advance(399);
    expect(drawn).toEqual([5_000]);
    time.advance(1);
    expect(drawn).toEqual([5_000, 6_000]);
    time.advance(10_000);
    expect(drawn).toHaveLength(2);
  });

  it('is not after the end', () => {
    pace.changed();
    pace.stop();
    time.advance(5_000);
    expect(drawn).toEqual([]);
  });
});
