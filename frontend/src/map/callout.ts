import type { Alert } from '../protocol/messages';
import type { Catalogue } from '../stores/catalogue';
import type { LiveStore } from '../stores/live';
import { number, plain, withUnit } from '../text/format';
import { told } from '../text/language';
import { comparisonOf, isCounted, placeOf, presentValue, silenceOf } from '../wall/describe';

/** What stands beside a pin: what is measured there now, or that nothing is, as its row says it; and where that is. */
export function calloutOf(
  alert: Alert,
  count: number,
  now: number,
  catalogue: Catalogue,
  live: LiveStore,
): [what: string, where: string] {
  const facts = catalogue.get(`${alert.sector}/${alert.metric}`);
  const measured = silenceOf(alert, now, catalogue, live) || valueOf(alert, catalogue, live);
  const what = facts && measured !== '' ? `${told(facts.short)} ${measured}` : measured || told(alert.short);
  return [count > 1 ? `${what} ×${count}` : what, placeOf(alert)];
}

function valueOf(alert: Alert, catalogue: Catalogue, live: LiveStore): string {
  if (isCounted(alert)) return comparisonOf(alert, catalogue);
  const newest = presentValue(alert, live)?.value ?? alert.value;
  if (newest === null) return '';
  const facts = catalogue.get(`${alert.sector}/${alert.metric}`);
  return withUnit(facts ? number(newest, facts.decimals) : plain(newest), alert.unit);
}
