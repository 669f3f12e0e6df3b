import type { Page } from '../console/pages';

export const PAGES: readonly Page[] = [
  { path: '/console/operation/shift', title: 'handover' },
  { path: '/console/operation/incidents', title: 'incidents' },
  { path: '/console/operation/hidden', title: 'hiddenAlerts' },
  { path: '/console/operation/stage', title: 'stage' },
  { path: '/console/operation/health', title: 'alarmHealth' },
  { path: '/console/operation/backtests', title: 'backtests', role: 'supervisor' },
];
