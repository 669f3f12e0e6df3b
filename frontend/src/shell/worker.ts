/**
 * Keeps the hashed shell, so that a rebooted screen opens while center is down. Never data: what is not listed here, and
 * everything under /api and /ws, goes past this worker. Center is always asked first for a page; only when it does not
 * answer is the kept page shown. So a new build wins on the next load, and a kept one never outlives center's return.
 */
export {};
declare const self: ServiceWorkerGlobalScope;

/** Written by the build: the files of this shell, and a word that changes with any of them. */
const FILES: readonly string[] = JSON.parse('__SHELL_FILES__');
const VERSION = '__SHELL_VERSION__';

const PREFIX = 'shell-';
const NAME = PREFIX + VERSION;
const INDEX = '/wall';
const PAGE = /^\/(wall|console(\/.*)?)?$/u;
/** A center that takes the connection and says nothing is down too. */
const PATIENCE_MS = 5_000;

self.addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(NAME);
      // The page past the HTTP cache: it must be the one that names these files.
      await cache.add(new Request(INDEX, { cache: 'reload' }));
      await cache.addAll(FILES);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      const kept = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
      // The build before this one stays: a page of it may still be open and ask for a part.
      await Promise.all(kept.slice(0, -1).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== self.location.origin) return;
  if (request.mode === 'navigate' && PAGE.test(pathname)) event.respondWith(centerFirst(request, INDEX));
  else if (pathname.startsWith('/assets/')) event.respondWith(keptFirst(request));
  else if (FILES.includes(pathname)) event.respondWith(centerFirst(request, pathname));
});

/** What center says, whatever it says; what is kept only if it says nothing, or that it is away. */
async function centerFirst(request: Request, key: string): Promise<Response> {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.status < 500) return answer;
    return (await keptAs(key)) ?? answer;
  } catch (away) {
    const kept = await keptAs(key);
    if (kept === undefined) throw away;
    return kept;
  }
}

async function keptAs(key: string): Promise<Response | undefined> {
  return (await caches.open(NAME)).match(key);
}

/** A hashed file is what its name says, wherever it comes from. */
async function keptFirst(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}
