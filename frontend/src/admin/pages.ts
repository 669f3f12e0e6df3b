import type { Identity, Role } from '../access/identity.svelte';
import type { MessageKey } from '../text/messages';

export interface AdminPageEntry {
  path: string;
  title: MessageKey;
  /** The least role that sees it. */
  role: Role;
}

export const PAGES: readonly AdminPageEntry[] = [
  { path: '/console/admin/accounts', title: 'accounts', role: 'admin' },
  { path: '/console/admin/keys', title: 'keys', role: 'admin' },
  { path: '/console/admin/screens', title: 'screens', role: 'operator' },
  { path: '/console/admin/audit', title: 'auditTrail', role: 'supervisor' },
];

/** The pages that somebody may see. */
export function pagesFor(identity: Identity): AdminPageEntry[] {
  return PAGES.filter(({ role }) => identity.covers(role));
}

export function firstAdminPage(identity: Identity): AdminPageEntry | null {
  return pagesFor(identity)[0] ?? null;
}
