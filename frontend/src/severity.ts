/** Severities as the wall orders, counts and draws them. */
export const ALARMS = ['emergency', 'critical', 'warning'] as const;
export type Alarm = (typeof ALARMS)[number];
/** What is drawn: the three alarms, and "unknown" for a word this page has never heard. */
export type Shape = Alarm | 'unknown';

export function shapeOf(severity: string): Shape | null {
  if (severity === 'info') return null;
  return (ALARMS as readonly string[]).includes(severity) ? (severity as Alarm) : 'unknown';
}

/** Higher is worse; an unknown severity sorts as critical. */
export function rank(severity: string): number {
  switch (severity) {
    case 'emergency':
      return 3;
    case 'info':
      return 0;
    case 'warning':
      return 1;
    default:
      return 2;
  }
}

/** The class that carries the colour; an unknown severity has critical's. */
export function tone(severity: string | null): Alarm | '' {
  if (severity === null || severity === 'info') return '';
  const shape = shapeOf(severity);
  return shape === 'unknown' || shape === null ? 'critical' : shape;
}
