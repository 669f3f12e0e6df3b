import type { Severity } from '../protocol/messages';

/** What is hidden by hand, as GET /api/v1/shelves tells it. */
export interface Shelf {
  id: string;
  kind: 'shelved' | 'out_of_service';
  sector: string;
  rule: string;
  /** Null: whatever the rule raises. */
  group: string | null;
  alert: string | null;
  zone: string | null;
  why: string;
  by: string;
  since: string;
  until: string | null;
}

/** What a maintenance window takes: whatever fits all that is given. */
export interface Extent {
  sectors: string[];
  zones: string[];
  rules: string[];
  assets: string | null;
}

export interface Window extends Extent {
  id: string;
  starts_at: string;
  until: string;
  why: string;
  by: string;
}

export interface Preview {
  now: { id: string }[];
  days: number;
  before: { rule: string; severity: Severity; alerts: number }[];
}

/** How many alerts a window would have hidden. */
export function hiddenBefore(preview: Preview): number {
  return preview.before.reduce((sum, one) => sum + one.alerts, 0);
}

/** Rules as somebody types them: by commas or spaces. */
export function rulesOf(text: string): string[] {
  return text.split(/[\s,]+/u).filter((one) => one !== '');
}

/** So many hours from now, as center takes it. */
export function hoursFrom(now: number, hours: number): string {
  return new Date(now + hours * 3_600_000).toISOString();
}
