import { elapsed, number, plain } from '../text/format';
import type { MessageKey } from '../text/messages';
import { percent } from './health';

/** What one version of a rule would have done, as GET /api/v1/backtests/{id} tells it. */
export interface Tried {
  version: number | null;
  readings: number;
  figures: BacktestFigures;
  severities: Partial<Record<'info' | 'warning' | 'critical' | 'emergency', number>>;
  at_once: AtOnce;
  alerts: { group: string; severity: string; raised_at: string; cleared_at: string | null; lasted_s: number }[];
}

export interface BacktestFigures {
  raised: number;
  open_at_end: number;
  groups: number;
  longest_s: number;
  median_s: number;
  most_at_once: number;
  alarms_a_day: number;
  most_in_ten_minutes: number;
  flood_share: number;
  chattering_groups: number;
  older_than_a_day: number;
  open_share: number;
}

export interface AtOnce {
  step_s: number;
  most: number[];
}

/** A rule tried on what happened; `present` null: no rule of its name is in force where one may see it. */
export interface Backtest {
  id: string;
  state: 'running' | 'done' | 'failed';
  progress: number;
  readings: number;
  rule: string;
  sector: string;
  zones: string[];
  from: string;
  to: string;
  by: string;
  error: { code: string; message: string } | null;
  result: { proposed: Tried; present: Tried | null } | null;
}

const seconds = (value: number): string => elapsed(value * 1000);

/** The figures of a version, and how each is written. */
export const FIGURES: readonly (readonly [MessageKey, keyof BacktestFigures, (value: number) => string])[] = [
  ['wouldRaise', 'raised', plain],
  ['openAtEnd', 'open_at_end', plain],
  ['wouldConcernPlaces', 'groups', plain],
  ['mostAtOnce', 'most_at_once', plain],
  ['medianLength', 'median_s', seconds],
  ['longestLength', 'longest_s', seconds],
  ['openShare', 'open_share', percent],
  ['alarmsADay', 'alarms_a_day', (value) => number(value, 1)],
  ['peak10', 'most_in_ten_minutes', plain],
  ['flooded', 'flood_share', percent],
  ['chattering', 'chattering_groups', plain],
  ['stale', 'older_than_a_day', plain],
];

/** The outline of how many were open at once, as an SVG path: one unit wide a step, `height` high at `top`. */
export function skyline(most: readonly number[], top: number, height: number): string {
  const y = (count: number): string => plainly(height - (height * count) / Math.max(1, top));
  const steps = most.map((count, step) => `V${y(count)}H${String(step + 1)}`);
  return `M0 ${plainly(height)}${steps.join('')}V${plainly(height)}Z`;
}

/** For SVG, which knows no decimal comma. */
function plainly(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** `days` before `now` in the form of an input of a local date and time, to the minute. */
export function localInput(now: number, days: number): string {
  const at = new Date(now - days * 86_400_000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
