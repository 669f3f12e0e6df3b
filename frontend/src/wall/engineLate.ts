import type { EngineLate, SectorState } from '../protocol/messages';
import { clock } from '../text/format';
import { say, told } from '../text/language';

/** What is said where alerts are listed while the rules of some sectors are not evaluated; null if there is nothing. */
export function engineNotice(
  late: readonly EngineLate[],
  sectors: ReadonlyMap<string, SectorState>,
  timezone: string,
): { title: string; detail: string } | null {
  const since = earliest(late);
  if (late.length === 0) return null;
  const stalled = late.some((one) => one.state === 'stalled');
  const words = stalled ? [say('alertsStalled'), say('stalledSince')] : [say('alertsBehind'), say('judgedUntil')];
  const title = since === null ? words[0] : `${words[0]} ${words[1]} ${clock(since, timezone, true)}`;
  return { title: title ?? '', detail: `${whose(late, sectors)}: ${say('notJudged')}` };
}

/** Since when (ms) something has not been judged; null where that is not known, or nothing is late. */
export function earliest(late: readonly EngineLate[]): number | null {
  const known = late.map((one) => (one.since === null ? null : Date.parse(one.since)));
  return known.reduce<number | null>((first, ms) => (ms === null || (first !== null && first < ms) ? first : ms), null);
}

/** The banner of one sector's panel. */
export function sectorBanner(late: readonly EngineLate[], sector: string): string {
  const one = late.find((entry) => entry.sector === sector);
  if (one === undefined) return '';
  return say(one.state === 'stalled' ? 'alertsStalled' : 'alertsBehind');
}

function whose(late: readonly EngineLate[], sectors: ReadonlyMap<string, SectorState>): string {
  if (late.length >= sectors.size) return say('everySector');
  const names = late.map((one) => told(sectors.get(one.sector)?.title) || one.sector);
  const rest = names.length - 2;
  return rest > 0 ? `${names.slice(0, 2).join(', ')} +${rest}` : names.join(', ');
}
