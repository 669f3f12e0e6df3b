import type { Bilingual } from '../protocol/messages';

/** Alerts and reports that probably have one cause, as GET /api/v1/incidents tells them. */
export interface Incident {
  id: string;
  state: 'open' | 'closed';
  first_out: string;
  title: Bilingual;
  short: Bilingual;
  severity: string;
  sectors: string[];
  zones: string[];
  opened_at: string;
  newest_at: string;
  closed_at: string | null;
  reopened: number;
  alerts: number;
  reports: number;
}

/** One thing that happened in an incident: a transition of an alert, an act with its words, or a report. */
export interface IncidentEntry {
  at: string;
  what: 'alert' | 'report';
  kind: string;
  seq: number | null;
  alert_id: string | null;
  report_id: number | null;
  actor: string | null;
  detail: Readonly<Record<string, unknown>> | null;
  title: Bilingual;
  severity: string;
  state: string;
}

/** Names an entry among the others of its incident. */
export function entryKey(entry: IncidentEntry): string {
  return entry.seq === null ? `report ${String(entry.report_id)}` : `alert ${String(entry.seq)}`;
}

/** The transition with which the incident began. */
export function isFirstOut(entry: IncidentEntry, incident: Incident, entries: readonly IncidentEntry[]): boolean {
  return entries.find((one) => one.alert_id === incident.first_out && one.kind === 'raised') === entry;
}
