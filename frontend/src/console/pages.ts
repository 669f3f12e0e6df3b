import type { Identity, Role } from '../access/identity.svelte';
import type { MessageKey } from '../text/messages';

/** A page of the console beside the open alerts. */
export interface Page {
  path: string;
  title: MessageKey;
  /** The least role that sees it; everybody without one. */
  role?: Role;
}

/** Those of the pages that somebody may see. */
export function pagesFor(identity: Pick<Identity, 'covers'>, pages: readonly Page[]): Page[] {
  return pages.filter(({ role }) => role === undefined || identity.covers(role));
}
