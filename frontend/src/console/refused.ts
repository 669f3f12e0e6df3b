import type { Identity, Principal } from '../access/identity.svelte';
import type { Refusal } from '../access/answer';
import { sentenceOf } from '../access/refusal';
import { clock } from '../text/format';
import { say } from '../text/language';
import { kindWord } from './kinds';
import { timeline, type TimelineEntry } from './timeline';

/** Why an act on an alert was not done. If the alert had moved on: by whose hand, how and when. */
export async function whyNot(refusal: Refusal, alert: string, identity: Identity, timezone: string): Promise<string> {
  if (refusal.code !== 'changed') return sentenceOf(refusal);
  const newest = (await timeline(alert)).at(-1);
  return newest === undefined ? sentenceOf(refusal) : movedOn(newest, identity.principal, timezone);
}

/** That an alert is not any more as somebody saw it. Whoever did that themselves is not told that they were faster. */
export function movedOn(
  { kind, at, actor }: Pick<TimelineEntry, 'kind' | 'at' | 'actor'>,
  principal: Pick<Principal, 'kind' | 'name'> | null,
  timezone: string,
): string {
  const step = `${kindWord(kind)} ${say('atTime')} ${clock(Date.parse(at), timezone, true)}`;
  return `${beginning(actor, principal)}: ${step}. ${say('lookAgain')}`;
}

function beginning(actor: string | null, principal: Pick<Principal, 'kind' | 'name'> | null): string {
  // Where nobody signs in all hands have one name.
  if (actor === null || principal?.kind === 'local') return say('alertChanged');
  return actor === principal?.name ? say('youChanged') : say('wasFaster').replace('{who}', () => actor);
}
