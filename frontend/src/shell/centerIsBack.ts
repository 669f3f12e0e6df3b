import { fetchCatalogue } from '../stores/catalogue';

const ASK_EVERY_MS = 3_000;
/** A page that gets no catalogue although center answers must not begin anew for ever. */
const LEAST_BETWEEN_MS = 10 * 60_000;
const KEY = 'citywatch.begunAnew';

/**
 * For a page that opened without center: what it shows may be a build that center no longer has, and it knows neither
 * metrics nor cadences. It begins anew as soon as center answers.
 */
export function beginAnewWhenCenterIsBack(): void {
  if (Date.now() - Number(sessionStorage.getItem(KEY) ?? 0) < LEAST_BETWEEN_MS) return;
  const ask = async () => {
    if ((await fetchCatalogue(2_000)).size === 0) {
      setTimeout(() => void ask(), ASK_EVERY_MS * (0.5 + Math.random()));
      return;
    }
    sessionStorage.setItem(KEY, String(Date.now()));
    location.reload();
  };
  void ask();
}
