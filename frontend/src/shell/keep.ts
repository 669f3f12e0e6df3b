const ADDRESS = '/sw.js';
/** The first picture and the map do not share the machine with this. */
const AFTER_MS = 5_000;

/**
 * Lets the browser keep this page's shell, so that the screen opens while center is down. Browsers do that over TLS or
 * from localhost only; elsewhere, and where it fails, the page is what it would be without.
 */
export function keepShell(): void {
  if (!import.meta.env.PROD || !window.isSecureContext || !('serviceWorker' in navigator)) return;
  setTimeout(() => {
    navigator.serviceWorker
      .register(ADDRESS, { updateViaCache: 'none' })
      .catch((why: unknown) => console.info(`citywatch: the shell is not kept: ${String(why)}`));
  }, AFTER_MS);
}
