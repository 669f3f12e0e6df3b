import type { Alert, SectorState } from '../protocol/messages';
import { staleness } from '../staleness';
import type { Catalogue } from '../stores/catalogue';
import type { LiveStore } from '../stores/live';
import { age, clock, elapsed, NBSP, number, places, plain, withUnit } from '../text/format';
import { placeName, say, told } from '../text/language';
import { aheadOf } from './since';

/** Words of the rules, by the texts that say them. */
const WORDS: Partial<Record<string, Parameters<typeof say>[0]>> = {
  outside: 'outside',
  inside: 'inside',
  '=': 'equals',
  changed: 'changed',
  frozen: 'frozen',
  absent: 'absent',
  repeats: 'repeats',
  at_least: 'atLeast',
  all: 'allOf',
  any: 'anyOf',
};

/** Where an alert is, in as few words as there are. */
export function placeOf(alert: Alert): string {
  return placeName(alert.zone_name) || assetOf(alert) || told(alert.title);
}

/** An asset has no name but the code that its sector gave it: said to be one. */
export function assetOf(alert: Alert): string {
  return alert.asset === null ? '' : `${say('assetWord')}${NBSP}${alert.asset}`;
}

/** "đồng hồ +4:50": its source's clock is ahead, so that its times can't be taken as they are. */
export function clockOf(alert: Alert): string {
  const ahead = aheadOf(alert);
  return ahead === 0 ? '' : `${say('sourceClock')}${NBSP}+${elapsed(ahead)}`;
}

/** The value of the last transition, and that it is of then: "1,62 m > 1,60 lúc 18:04". */
export function comparisonThen(alert: Alert, catalogue: Catalogue, timezone: string, seconds: boolean): string {
  const compared = comparisonOf(alert, catalogue);
  if (compared === '' || alert.last_data_at === null) return compared;
  return `${compared} ${say('atTime')}${NBSP}${clock(Date.parse(alert.last_data_at), timezone, seconds)}`;
}

/**
 * "1,62 m > 1,60": both with as many places as either needs, the metric's own number at most. A value that is back on the
 * good side (an alert clears later) is not said to be beyond: "1,58 m · ngưỡng 1,60".
 */
export function comparisonOf(alert: Alert, catalogue: Catalogue, value = alert.value): string {
  if (isWord(alert)) return wordOf(alert, catalogue);
  if (value === null) return '';
  const most = catalogue.get(`${alert.sector}/${alert.metric}`)?.decimals ?? 2;
  const decimals = Math.min(most, Math.max(places(value), places(alert.limit ?? 0)));
  const measured = withUnit(number(value, decimals), alert.unit);
  if (alert.limit === null) return measured;
  const limit = number(alert.limit, decimals);
  const beyond = alert.comparison === '<' ? value < alert.limit : value > alert.limit;
  return beyond ? `${measured} ${alert.comparison} ${limit}` : `${measured} · ${say('limit')} ${limit}`;
}

/** Whether the alert is held against something else than a limit that its value passes: a word, not a sign. */
export function isWord(alert: Alert): boolean {
  return alert.comparison !== '>' && alert.comparison !== '<';
}

/** Whether its value measures nothing, but says how long, how often or how many: it means nothing without its word. */
export function isCounted(alert: Alert): boolean {
  return ['absent', 'frozen', 'repeats', 'at_least'].includes(alert.comparison);
}

/** What such an alert says: "đứng yên 30 ph", "5 điểm đo", "1,62 m · ngoài khoảng". */
function wordOf(alert: Alert, catalogue: Catalogue): string {
  const word = WORDS[alert.comparison];
  if (word === undefined) return alert.value === null ? '' : withUnit(plain(alert.value), alert.unit);
  if (alert.comparison === 'absent' || alert.comparison === 'frozen') {
    return alert.limit === null ? say(word) : `${say(word)} ${age((alert.value || alert.limit) * 1000)}`;
  }
  if (alert.value === null) return say(word);
  if (alert.comparison === 'repeats' || alert.comparison === 'at_least') return `${number(alert.value, 0)} ${say(word)}`;
  const decimals = catalogue.get(`${alert.sector}/${alert.metric}`)?.decimals ?? Math.min(2, places(alert.value));
  return `${withUnit(number(alert.value, decimals), alert.unit)} · ${say(word)}`;
}

/** What an alert is about as it stands now: its own value is that of its last transition. Null: not known any better. */
export function presentValue(alert: Alert, live: LiveStore): { time: number; value: number } | null {
  return alert.asset === null || alert.cleared_at !== null || isWord(alert) ? null : live.latest(alert.sector, alert.asset, alert.metric);
}

/** "mất tín hiệu 14 ph": its sensor has been silent for so long that its last value is not believed; empty while it is. */
export function silenceOf(alert: Alert, now: number, catalogue: Catalogue, live: LiveStore): string {
  const present = presentValue(alert, live);
  if (present === null) return '';
  const cadence = catalogue.get(`${alert.sector}/${alert.metric}`)?.cadenceS ?? 60;
  const ageMs = now - present.time;
  return staleness(ageMs, cadence) === 'stale' ? `${say('noDataSince')} ${age(ageMs)}` : '';
}

/** The second line of an alert: place, value > limit (or since when nothing is heard), who has it. */
export function describe(alert: Alert, now: number, catalogue: Catalogue, live: LiveStore): string[] {
  const measured =
    silenceOf(alert, now, catalogue, live) || comparisonOf(alert, catalogue, presentValue(alert, live)?.value ?? alert.value);
  return [clockOf(alert), placeOf(alert), measured, ownerOf(alert)].filter((part) => part !== '');
}

export function ownerOf(alert: Alert): string {
  if (alert.owner !== null) return alert.owner;
  if (alert.state === 'acknowledged') return alert.acknowledged_by ?? say('acknowledged');
  return alert.state === 'unacknowledged' ? say('unclaimed') : '';
}

/** The worst place of a sector, then its value with the unit; a value whose unit nobody knows is not shown. */
export function worstOf({ sector, figures, worst }: SectorState, catalogue: Catalogue): string[] {
  const place = placeName(worst?.name);
  if (!worst || place === '') return [];
  const figure = figures.find((one) => one.metric === worst.metric);
  const facts = catalogue.get(`${sector}/${worst.metric}`);
  const unit = worst.unit ?? figure?.unit ?? facts?.unit;
  if (worst.value === null || unit === undefined) return [place];
  const decimals = worst.decimals ?? figure?.decimals ?? facts?.decimals;
  const value = decimals === undefined ? plain(worst.value) : number(worst.value, decimals);
  return [place, `${NBSP}${withUnit(value, unit)}`];
}
