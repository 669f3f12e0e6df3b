import type { Alert, CityIncident } from '../protocol/messages';
import { rank } from '../severity';
import { isShown } from './alertOrder';
import { sinceOf } from './since';

/** What center says has one cause, as far as its alerts are shown. */
export interface Incident {
  id: string;
  worst: Alert;
  /** First-out: what began it. */
  first: Alert;
  count: number;
  unacknowledged: boolean;
  owner: string | null;
  /** Citizens' reports that belong to it. */
  reports: number;
}

/** An alert that center has not grouped yet (it takes a moment) stands for itself. */
export function groupIncidents(alerts: readonly Alert[], incidents: readonly CityIncident[]): Incident[] {
  const left = new Map(alerts.filter(isShown).map((alert) => [alert.id, alert]));
  const groups: Incident[] = [];
  for (const { id, first_out, alerts: members, reports } of incidents) {
    const group = members.map((member) => left.get(member)).filter((alert) => alert !== undefined);
    for (const alert of group) left.delete(alert.id);
    if (group.length > 0) groups.push(summarise(id, first_out, group, reports));
  }
  for (const alert of left.values()) groups.push(summarise(alert.id, alert.id, [alert], 0));
  return groups.sort(compareIncidents);
}

function summarise(id: string, firstOut: string, group: Alert[], reports: number): Incident {
  const oldest = group.reduce((first, alert) => (sinceOf(alert) < sinceOf(first) ? alert : first));
  const first = group.find((alert) => alert.id === firstOut) ?? oldest;
  return {
    id,
    worst: group.reduce((worst, alert) => (weight(alert) > weight(worst) ? alert : worst), first),
    first,
    count: group.length,
    unacknowledged: group.some((alert) => alert.state === 'unacknowledged'),
    owner: group.find((alert) => alert.owner !== null)?.owner ?? null,
    reports,
  };
}

/** The worst names the incident; of equals one that nobody has acknowledged, then the earliest. */
function weight(alert: Alert): number {
  return 2 * rank(alert.severity) + (alert.state === 'unacknowledged' ? 1 : 0);
}

function compareIncidents(a: Incident, b: Incident): number {
  return (
    rank(b.worst.severity) - rank(a.worst.severity) ||
    Number(b.unacknowledged) - Number(a.unacknowledged) ||
    b.count - a.count ||
    (sinceOf(a.first) < sinceOf(b.first) ? 1 : -1)
  );
}
