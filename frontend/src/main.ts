import { mount } from 'svelte';
import './base.css';
import { beginAnewWhenCenterIsBack } from './shell/centerIsBack';
import { keepShell } from './shell/keep';
import { planReload } from './shell/plannedReload';
import { fetchCatalogue } from './stores/catalogue';
import { openSession } from './stores/session';
import { language } from './text/language';

const screens = {
  wall: async () => (await import('./wall/Wall.svelte')).default,
  console: async () => (await import('./console/AlertPage.svelte')).default,
};

/** One page for three addresses: / and /wall show the wall, /console the alert page. */
async function start(): Promise<void> {
  const target = document.getElementById('screen');
  if (target === null) throw new Error('index.html has no #screen');
  document.documentElement.lang = language;
  const name = location.pathname.startsWith('/console') ? 'console' : 'wall';
  const [screen, catalogue] = await Promise.all([screens[name](), fetchCatalogue(2_000), fonts(2_000)]);
  const session = openSession(catalogue, { live: name === 'wall' });
  mount(screen, { target, props: { session } });
  keepShell();
  if (catalogue.size === 0) beginAnewWhenCenterIsBack();
  if (name === 'wall') planReload(session);
}

/** Waits for the type, because labels are measured in it; not for ever, because a wall in another type is still a wall. */
async function fonts(timeoutMs: number): Promise<void> {
  const timeout = new Promise((resolve) => setTimeout(resolve, timeoutMs));
  await Promise.race([document.fonts.load('600 28px "Inter Variable"', 'Aạư'), timeout]);
}

void start();
