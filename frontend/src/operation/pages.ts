import type { Identity, Role } from '../access/identity.svelte';
import type { MessageKey } from '../text/messages';

/** A page of the console beside the open alerts. */
export interface Page {
  path: string;
  title: MessageKey;
  /** The least role that sees it; everybody without one. */
  role?: Role;
}

export const PAGES: readonly Page[] = [
  { path: '/console/operation/shift', title: 'handover' },
  { path: '/console/operation/incidents', title: 'incidents' },
  { path: '/console/operation/hidden', title: 'hiddenAlerts' },
  { path: '/console/operation/stage', title: 'stage' },
  { path: '/console/operation/health', title: 'alarmHealth' },
  { path: '/console/operation/backtests', title: 'backtests', role: 'supervisor' },
];

/** The pages that somebody may see. */
export function pagesFor(identity: Identity): Page[] {
  return PAGES.filter(({ role }) => role === undefined || identity.covers(role));
}
