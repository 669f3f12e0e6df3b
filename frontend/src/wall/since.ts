import type { Alert } from '../protocol/messages';

/** Clocks differ by some seconds everywhere; more than this is said. */
const AHEAD_MS = 10_000;

/**
 * When an alert began, ms: by the readings' own time, but not later than it was recorded. A source whose clock is ahead
 * must not make its alerts look new, nor keep them on top of the list.
 */
export function sinceOf(alert: Alert): number {
  const raised = Date.parse(alert.raised_at);
  return Math.min(raised, alert.recorded_at ? Date.parse(alert.recorded_at) : raised);
}

/** How far the clock of its source is ahead, ms; 0 if that is not worth a word. */
export function aheadOf(alert: Alert): number {
  const ahead = Date.parse(alert.raised_at) - sinceOf(alert);
  return ahead > AHEAD_MS ? ahead : 0;
}
