import type { Alert } from '../protocol/messages';
import { rank, shapeOf } from '../severity';
import { sinceOf } from './since';

/** An alarm an operator must see: open or returned, not shelved or out of service, not mere information. */
export function isShown(alert: Alert): boolean {
  return (
    (alert.state === 'unacknowledged' ||
      alert.state === 'acknowledged' ||
      alert.state === 'returned_unacknowledged') &&
    shapeOf(alert.severity) !== null
  );
}

const STATE_ORDER: Record<string, number> = { unacknowledged: 0, acknowledged: 1, returned_unacknowledged: 2 };

/** Unacknowledged first, then the worst, then the newest; the id makes the order total. */
export function compareAlerts(a: Alert, b: Alert): number {
  return (
    (STATE_ORDER[a.state] ?? 3) - (STATE_ORDER[b.state] ?? 3) ||
    rank(b.severity) - rank(a.severity) ||
    sinceOf(b) - sinceOf(a) ||
    (a.id < b.id ? -1 : 1)
  );
}

/** A line of the list: one alert, or in a flood all the warnings of one rule. */
export interface AlertLine {
  alert: Alert;
  count: number;
}

export interface AlertRows {
  lines: AlertLine[];
  /** Alerts that no line stands for. */
  more: number;
}

/**
 * The lines that fit. A warning never displaces a critical: where a worse alert would fall off the end, the last
 * warning gives way. In a flood the warnings of one rule share a line.
 */
export function chooseRows(alerts: readonly Alert[], rows: number, flood: boolean): AlertRows {
  const sorted = alerts.filter(isShown).sort(compareAlerts);
  const lines = flood ? collapse(sorted) : sorted.map((alert) => ({ alert, count: 1 }));
  const shown = lines.slice(0, rows);
  for (const hidden of lines.slice(rows)) {
    if (rank(hidden.alert.severity) < 2) continue;
    const place = shown.findLastIndex((line) => rank(line.alert.severity) < 2);
    if (place < 0) break;
    shown.splice(place, 1);
    shown.push(hidden);
  }
  shown.sort((a, b) => compareAlerts(a.alert, b.alert));
  const covered = shown.reduce((sum, line) => sum + line.count, 0);
  return { lines: shown, more: sorted.length - covered };
}

function collapse(sorted: readonly Alert[]): AlertLine[] {
  const lines: AlertLine[] = [];
  const warnings = new Map<string, AlertLine>();
  for (const alert of sorted) {
    if (rank(alert.severity) >= 2) {
      lines.push({ alert, count: 1 });
      continue;
    }
    const key = `${alert.rule} ${alert.state}`;
    const line = warnings.get(key);
    if (line !== undefined) {
      line.count++;
      continue;
    }
    const first = { alert, count: 1 };
    warnings.set(key, first);
    lines.push(first);
  }
  return lines;
}

export interface Unacknowledged {
  emergency: number;
  critical: number;
  warning: number;
  shelved: number;
}

/** The header's figures. An unknown severity counts as critical; what is shelved is counted apart. */
export function countUnacknowledged(alerts: readonly Alert[]): Unacknowledged {
  const counts: Unacknowledged = { emergency: 0, critical: 0, warning: 0, shelved: 0 };
  for (const alert of alerts) {
    if (alert.state === 'shelved') counts.shelved++;
    if (alert.state !== 'unacknowledged' && alert.state !== 'returned_unacknowledged') continue;
    const level = rank(alert.severity);
    if (level === 3) counts.emergency++;
    else if (level === 2) counts.critical++;
    else if (level === 1) counts.warning++;
  }
  return counts;
}
