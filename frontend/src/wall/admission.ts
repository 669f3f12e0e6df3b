import { mount, unmount } from 'svelte';
import { ask } from '../access/answer';
import type { SessionJson } from '../access/identity.svelte';
import { Pairing } from '../access/pairing.svelte';
import { browserTime } from '../protocol/time';
import PairingScreen from './PairingScreen.svelte';

let looksAs = '';
const LINK = /^#link=([A-Za-z0-9_-]+)$/u;

/** Returns when this screen may look: at once if it may already, else when it was paired, which the screen asks for. */
export async function admitted(target: HTMLElement): Promise<void> {
  const link = takeLink();
  // While center does not answer, nobody can say: the wall opens and tells of the lost connection itself.
  if (link === null && (await rights()) !== 'none') return;
  const pairing = new Pairing(ask, browserTime);
  const screen = mount(PairingScreen, { target, props: { pairing } });
  await pairing.run(link, async () => (await rights()) === 'some');
  await unmount(screen);
  await rights();
}

/** Whether whoever opened this page may look at the wall. A first password has to be changed before anything. */
export async function rights(): Promise<'some' | 'none' | 'unknown'> {
  const answer = await ask<SessionJson>('GET', '/session');
  if (!answer.ok) return 'unknown';
  if (answer.body.principal?.must_change_password) location.replace('/console');
  looksAs = JSON.stringify(answer.body.principal);
  return answer.body.principal === null ? 'none' : 'some';
}

/** Whether this page looks by another right than when that was last asked. */
export async function rightsChanged(): Promise<boolean> {
  const before = looksAs;
  return (await rights()) === 'some' && before !== looksAs;
}

/** The link's secret leaves the address bar, the history and every later copy of the address before it is used. */
function takeLink(): string | null {
  const link = LINK.exec(location.hash)?.[1] ?? null;
  if (location.hash !== '') history.replaceState(null, '', location.pathname + location.search);
  return link;
}
