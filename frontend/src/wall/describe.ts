import type { Alert } from '../protocol/messages';
import { staleness } from '../staleness';
import type { Catalogue } from '../stores/catalogue';
import { age, number, places, withUnit } from '../text/format';
import { placeName, say, told } from '../text/language';

/** Where an alert is, in as few words as there are. */
export function placeOf(alert: Alert): string {
  return placeName(alert.zone_name) || alert.asset || told(alert.title);
}

/** "1,62 m > 1,60": both with as many places as either needs, the metric's own number at most. */
export function comparisonOf(alert: Alert, catalogue: Catalogue): string {
  if (alert.value === null) return '';
  const most = catalogue.get(`${alert.sector}/${alert.metric}`)?.decimals ?? 2;
  const decimals = Math.min(most, Math.max(places(alert.value), places(alert.limit ?? 0)));
  const measured = withUnit(number(alert.value, decimals), alert.unit);
  return alert.limit === null ? measured : `${measured} ${alert.comparison} ${number(alert.limit, decimals)}`;
}

/** Since when an open alert's own data are missing, or null while they come. */
export function silentFor(alert: Alert, now: number, catalogue: Catalogue): number | null {
  if (alert.last_data_at === null || alert.cleared_at !== null) return null;
  const cadence = catalogue.get(`${alert.sector}/${alert.metric}`)?.cadenceS ?? 60;
  const silence = now - Date.parse(alert.last_data_at);
  return staleness(silence, Math.max(cadence, 5)) === 'stale' ? silence : null;
}

/** The second line of an alert: place, value > limit, who has it. */
export function describe(alert: Alert, now: number, catalogue: Catalogue): string[] {
  const silence = silentFor(alert, now, catalogue);
  const measured = silence === null ? comparisonOf(alert, catalogue) : `${say('noDataSince')} ${age(silence)}`;
  return [placeOf(alert), measured, ownerOf(alert)].filter((part) => part !== '');
}

export function ownerOf(alert: Alert): string {
  if (alert.owner !== null) return alert.owner;
  if (alert.state === 'acknowledged') return alert.acknowledged_by ?? say('acknowledged');
  return alert.state === 'unacknowledged' ? say('unclaimed') : '';
}
