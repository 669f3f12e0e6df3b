import { expect, it } from 'vitest';
import { oldestFeed } from '../src/wall/feeds';

const NOW = Date.parse('2026-11-22T12:00:00Z');

function feed(ageS: number, max_s: number | null) {
  return { feed: { newest: new Date(NOW - ageS * 1000).toISOString(), age_s: ageS, max_s, dead: false } };
}

it('names the feed that is furthest behind its own limit, not the one that is slow by nature', () => {
  expect(oldestFeed([feed(3_600, 86_400), feed(50, 60), feed(5, 60)], NOW)).toBe(50_000);
});

it('knows no age where no feed was heard or has a limit, and none below nought', () => {
  expect(oldestFeed([], NOW)).toBeNull();
  expect(oldestFeed([feed(50, null), { feed: { newest: null, age_s: null, max_s: 60, dead: true } }], NOW)).toBeNull();
  expect(oldestFeed([feed(-3, 60)], NOW)).toBe(0);
});
