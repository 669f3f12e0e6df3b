/** Reconnecting: after random(0, min(30 s, 0.5 · 2ⁿ)), so that a thousand screens do not come back as one. */
const CEILING_MS = 30_000;
const BASE_MS = 500;
/** A connection that held this long was a good one; the next failure starts from the beginning. */
export const STABLE_MS = 60_000;

export function reconnectDelay(attempt: number, random: () => number): number {
  return random() * Math.min(CEILING_MS, BASE_MS * 2 ** Math.min(attempt, 16));
}
