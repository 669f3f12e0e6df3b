import type { MessageKey } from '../text/messages';

/** A page of the console beside the open alerts. */
export interface Page {
  path: string;
  title: MessageKey;
}

export const PAGES: readonly Page[] = [
  { path: '/console/operation/shift', title: 'handover' },
  { path: '/console/operation/incidents', title: 'incidents' },
  { path: '/console/operation/hidden', title: 'hiddenAlerts' },
  { path: '/console/operation/stage', title: 'stage' },
  { path: '/console/operation/health', title: 'alarmHealth' },
];
