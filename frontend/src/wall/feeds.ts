import type { SectorState } from '../protocol/messages';

/** How old (ms) the newest datum of that feed is which is furthest behind its own limit; null where no feed has one. */
export function oldestFeed(sectors: Iterable<Pick<SectorState, 'feed'>>, now: number): number | null {
  let worst: { age: number; ratio: number } | null = null;
  for (const { feed } of sectors) {
    if (feed.newest === null || feed.max_s === null) continue;
    const ageMs = now - Date.parse(feed.newest);
    const ratio = ageMs / (feed.max_s * 1000);
    if (worst === null || ratio > worst.ratio) worst = { age: ageMs, ratio };
  }
  return worst === null ? null : Math.max(0, worst.age);
}
