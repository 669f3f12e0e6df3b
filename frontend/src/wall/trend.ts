import type { TrendPoint } from '../protocol/messages';

/** The last hour as lines in a box; both lines share one scale, and a hole in the data is a hole in the line. */
export interface Trend {
  line: string;
  ghost: string;
  now: [number, number] | null;
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

export function drawTrend(
  trend: readonly TrendPoint[],
  lastWeek: readonly TrendPoint[],
  nowMs: number,
  width: number,
  height: number,
): Trend {
  const from = nowMs - HOUR_MS;
  // Last week's points may carry last week's times or have been moved to today's hour by the server.
  const moved = lastWeek.map(([t, v]): TrendPoint => [t < from - HOUR_MS ? t + WEEK_MS : t, v]);
  const inside = (points: readonly TrendPoint[]) => points.filter(([t]) => t >= from && t <= nowMs + 60_000);
  const recent = inside(trend);
  const before = inside(moved);
  const values = [...recent, ...before].map(([, v]) => v);
  if (values.length === 0) return { line: '', ghost: '', now: null };
  const low = Math.min(...values);
  const high = Math.max(...values);
  // A figure that hardly moves is drawn flat, not as noise blown up to the full height.
  const span = Math.max(high - low, Math.abs(high) * 0.04, 1e-9);
  const middle = (high + low) / 2;
  const x = (t: number) => Math.min(1, Math.max(0, (t - from) / HOUR_MS)) * (width - 6);
  const y = (v: number) => 4 + (0.5 - (v - middle) / span) * (height - 8);
  const path = (points: readonly TrendPoint[]) => {
    let d = '';
    let last: number | null = null;
    const hole = Math.max(180_000, 3 * typicalStep(points));
    for (const [t, v] of points) {
      d += `${last === null || t - last > hole ? 'M' : 'L'}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
      last = t;
    }
    return d;
  };
  const newest = recent.at(-1);
  return { line: path(recent), ghost: path(before), now: newest ? [x(newest[0]), y(newest[1])] : null };
}

function typicalStep(points: readonly TrendPoint[]): number {
  const steps = points.slice(1).map(([t], i) => t - (points[i] as TrendPoint)[0]);
  return steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
}

/** Up, down or level over the last ten minutes; level below 1 %. */
export function direction(trend: readonly TrendPoint[]): 'up' | 'down' | 'level' {
  const newest = trend.at(-1);
  if (!newest) return 'level';
  const past = trend.find(([t]) => t >= newest[0] - 600_000) ?? newest;
  const change = newest[1] - past[1];
  const scale = Math.max(Math.abs(newest[1]), Math.abs(past[1]), 1e-9);
  if (Math.abs(change) < scale * 0.01) return 'level';
  return change > 0 ? 'up' : 'down';
}
