import type { Identity } from '../access/identity.svelte';
import { pagesFor, type Page } from '../console/pages';

export const PAGES: readonly Page[] = [
  { path: '/console/admin/accounts', title: 'accounts', role: 'admin' },
  { path: '/console/admin/keys', title: 'keys', role: 'admin' },
  { path: '/console/admin/screens', title: 'screens', role: 'operator' },
  { path: '/console/admin/audit', title: 'auditTrail', role: 'supervisor' },
];

export function firstAdminPage(identity: Identity): Page | null {
  return pagesFor(identity, PAGES)[0] ?? null;
}
