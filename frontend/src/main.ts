import { mount } from 'svelte';
import './base.css';
import { beginAnewWhenCenterIsBack } from './shell/centerIsBack';
import { keepShell } from './shell/keep';
import { planReload } from './shell/plannedReload';
import { fetchCatalogue } from './stores/catalogue';
import { openSession } from './stores/session';
import { REFUSED_SHOWN_MS } from './stores/link.svelte';
import { language } from './text/language';

/** One page for all addresses: / and /wall show the wall, /console and what is under it the console. */
async function start(): Promise<void> {
  const target = document.getElementById('screen');
  if (target === null) throw new Error('index.html has no #screen');
  document.documentElement.lang = language;
  if (location.pathname.startsWith('/console')) await startConsole(target);
  else await startWall(target);
  keepShell();
}

async function startConsole(target: HTMLElement): Promise<void> {
  const [page] = await Promise.all([import('./console/ConsolePage.svelte'), fonts(2_000)]);
  mount(page.default, { target });
}

async function startWall(target: HTMLElement): Promise<void> {
  const [wall, { admitted, rights, rightsChanged }] = await Promise.all([
    import('./wall/Wall.svelte'),
    import('./wall/admission'),
    fonts(2_000),
  ]);
  await admitted(target);
  const catalogue = await fetchCatalogue(2_000);
  let leaving: ReturnType<typeof setTimeout> | undefined;
  const session = openSession(catalogue, {
    live: true,
    onRights: (end) => {
      if (end !== 'signed_out' || leaving !== undefined) return;
      // The page begins anew, and asks to be paired; unless this browser may still look by another right.
      leaving = setTimeout(() => location.reload(), REFUSED_SHOWN_MS);
      void rights().then((left) => {
        if (left !== 'some') return;
        clearTimeout(leaving);
        leaving = undefined;
        session.resume();
      });
    },
    onReopened: () => void rightsChanged().then((changed) => changed && session.renew()),
  });
  mount(wall.default, { target, props: { session } });
  if (catalogue.size === 0) beginAnewWhenCenterIsBack();
  planReload(session);
}

/** Waits for the type, because labels are measured in it; not for ever, because a wall in another type is still a wall. */
async function fonts(timeoutMs: number): Promise<void> {
  const timeout = new Promise((resolve) => setTimeout(resolve, timeoutMs));
  await Promise.race([document.fonts.load('600 28px "Inter Variable"', 'Aạư'), timeout]);
}

void start();
