import { HOLE_SHOWN_MS, type Hole } from '../stores/alerts.svelte';
import { clock } from '../text/format';
import { say } from '../text/language';

/** What is said of transitions that were never shown, in city time; null when there is nothing to say (any more). */
export function holeNotice(
  holes: readonly Hole[],
  now: number,
  timezone: string,
): { title: string; detail: string } | null {
  const recent = holes.filter((hole) => hole.to === null || now - hole.to < HOLE_SHOWN_MS);
  const newest = recent.at(-1);
  if (newest === undefined) return null;
  const time = (ms: number) => clock(ms, timezone, true);
  const more = recent.length > 1 ? ` · ${recent.length} ${say('missingTimes')}` : '';
  return newest.to === null
    ? { title: `${say('missingSince')} ${time(newest.from)}`, detail: `${say('missingNow')}${more}` }
    : { title: `${say('missing')} ${time(newest.from)}–${time(newest.to)}${more}`, detail: say('missingAfter') };
}
