import type { Alert } from '../protocol/messages';
import { rank } from '../severity';
import { isShown } from './alertOrder';

/**
 * A first grouping of what probably has one cause: alerts that began within half an hour of each other and lie within
 * three kilometres (or in the same zone, or come from the same rule). The panel says that this is how it groups.
 */
export interface Incident {
  worst: Alert;
  /** First-out: what began it. */
  first: Alert;
  count: number;
  unacknowledged: boolean;
  owner: string | null;
}

const TOGETHER_MS = 30 * 60_000;
const NEAR_KM = 3;

export function groupIncidents(alerts: readonly Alert[]): Incident[] {
  const open = alerts.filter(isShown).sort((a, b) => (a.raised_at < b.raised_at ? -1 : 1));
  const raised = open.map((alert) => Date.parse(alert.raised_at));
  const parent = open.map((_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) at = parent[at] as number;
    return at;
  };
  for (let i = 0; i < open.length; i++) {
    for (let j = i + 1; j < open.length; j++) {
      if ((raised[j] as number) - (raised[i] as number) > TOGETHER_MS) break;
      if (related(open[i] as Alert, open[j] as Alert)) parent[root(j)] = root(i);
    }
  }
  const groups = new Map<number, Alert[]>();
  open.forEach((alert, i) => {
    const key = root(i);
    const group = groups.get(key);
    if (group) group.push(alert);
    else groups.set(key, [alert]);
  });
  return [...groups.values()].map(summarise).sort(compareIncidents);
}

function summarise(group: Alert[]): Incident {
  const first = group[0] as Alert;
  return {
    worst: group.reduce((worst, alert) => (weight(alert) > weight(worst) ? alert : worst), first),
    first,
    count: group.length,
    unacknowledged: group.some((alert) => alert.state === 'unacknowledged'),
    owner: group.find((alert) => alert.owner !== null)?.owner ?? null,
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
    (a.first.raised_at < b.first.raised_at ? 1 : -1)
  );
}

function related(a: Alert, b: Alert): boolean {
  if (a.rule === b.rule) return true;
  if (a.zone !== null && a.zone === b.zone) return true;
  return a.location !== null && b.location !== null && kilometres(a.location, b.location) <= NEAR_KM;
}

function kilometres(a: [number, number], b: [number, number]): number {
  const north = (b[1] - a[1]) * 110.57;
  const east = (b[0] - a[0]) * 111.32 * Math.cos((((a[1] + b[1]) / 2) * Math.PI) / 180);
  return Math.hypot(north, east);
}
