import type { Alert } from '../protocol/messages';
import { rank, tone, type Alarm } from '../severity';
import { compareAlerts, isShown } from '../wall/alertOrder';
import type { Projection } from './projection';
import type { ZoneShape } from './zones';

/** One place with something abnormal: its worst alert, and how many there are. */
export interface PinnedAlert {
  alert: Alert;
  count: number;
  x: number;
  y: number;
}

/** At most this many shapes: beyond it the list and the coloured zones say more than the map. */
const MOST = 60;

/** Pins in the order of the alert list; alerts of one place share a pin, those outside the picture have none. */
export function pinAlerts(
  alerts: readonly Alert[],
  zones: ReadonlyMap<string, ZoneShape>,
  projection: Projection,
): PinnedAlert[] {
  const pins = new Map<string, PinnedAlert>();
  for (const alert of alerts.filter(isShown).sort(compareAlerts)) {
    const place = alert.location ?? centreOf(zones.get(alert.zone ?? ''));
    if (place === null) continue;
    const [x, y] = projection.project(place[0], place[1]);
    if (x < 10 || y < 10 || x > projection.width - 10 || y > projection.height - 10) continue;
    const key = `${Math.round(x / 8)} ${Math.round(y / 8)}`;
    const pin = pins.get(key);
    if (pin === undefined) pins.set(key, { alert, count: 1, x, y });
    else {
      pin.count++;
      if (rank(alert.severity) > rank(pin.alert.severity)) pin.alert = alert;
    }
  }
  return [...pins.values()].slice(0, MOST);
}

/** The worst alert of each zone, as a colour. */
export function zoneTones(alerts: readonly Alert[]): Map<string, Alarm | ''> {
  const worst = new Map<string, number>();
  const tones = new Map<string, Alarm | ''>();
  for (const alert of alerts) {
    if (!isShown(alert) || alert.zone === null || alert.state === 'returned_unacknowledged') continue;
    const level = rank(alert.severity);
    if (level <= (worst.get(alert.zone) ?? 0)) continue;
    worst.set(alert.zone, level);
    tones.set(alert.zone, tone(alert.severity));
  }
  return tones;
}

function centreOf(zone: ZoneShape | undefined): [number, number] | null {
  if (zone === undefined) return null;
  const [west, south, east, north] = zone.bounds;
  return [(west + east) / 2, (south + north) / 2];
}
