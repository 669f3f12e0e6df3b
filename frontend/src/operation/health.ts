export interface Figures {
  of: string | null;
  alarms: number;
  per_hour: number;
  peak_10min: number;
  flooded: number;
  chattering: { rule: string; group: string; most: number }[];
  stale: number;
  split: { warning: number; critical: number; emergency: number };
  top: { rule: string; alarms: number; share: number }[];
  within: Record<'per_hour' | 'per_hour_at_most' | 'peak_10min' | 'flooded' | 'chattering' | 'stale', boolean>;
}

/** What GET /api/v1/alarm-health tells. */
export interface AlarmHealth {
  since: string;
  until: string;
  positions: number;
  all: Figures;
  by: Figures[];
}

/** A part of one as per cent, with one decimal where it is small. */
export function percent(part: number): string {
  const value = part * 100;
  return `${value.toFixed(value > 0 && value < 10 ? 1 : 0)} %`;
}
