/** Older than twice the cadence is a word of caution; older than three times the figure is no longer believed. */
export type Staleness = 'fresh' | 'late' | 'stale';

/** Heartbeats, frames and clocks jitter: below this age nothing is called late. */
const GRACE_MS = 5_000;

export function staleness(ageMs: number | null, cadenceS: number): Staleness {
  if (ageMs === null) return 'stale';
  if (ageMs > Math.max(3 * cadenceS * 1000, GRACE_MS)) return 'stale';
  if (ageMs > Math.max(2 * cadenceS * 1000, GRACE_MS)) return 'late';
  return 'fresh';
}

/** The link as the wall shows it: fine, lost (header inverts at 6 s), or blind (everything hatched at 30 s). */
export type Link = 'live' | 'lost' | 'blind';

export function linkOf(silenceMs: number): Link {
  if (silenceMs >= 30_000) return 'blind';
  return silenceMs >= 6_000 ? 'lost' : 'live';
}
