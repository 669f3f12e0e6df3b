import type { Alert } from '../protocol/messages';
import { rank } from '../severity';

/** What a screen with sound plays: the highest cause wins. Frequencies in Hz, times in seconds. */
export type Cause = 'emergency' | 'critical' | 'lost' | 'warning';

export interface Tone {
  hz: number;
  at: number;
  length: number;
}

export interface Call {
  tones: Tone[];
  /** Repeated after this many seconds; null = once for each new alert. */
  every: number | null;
}

export const calls: Record<Cause, Call> = {
  emergency: { tones: [tone(880, 0, 0.35), tone(660, 0.4, 0.35), tone(880, 0.8, 0.35), tone(660, 1.2, 0.35)], every: 5 },
  critical: { tones: [tone(660, 0, 0.25), tone(660, 0.4, 0.25), tone(660, 0.8, 0.25)], every: 20 },
  warning: { tones: [tone(440, 0, 0.4)], every: null },
  lost: { tones: [tone(440, 0, 0.4), tone(330, 0.45, 0.5)], every: 60 },
};

function tone(hz: number, at: number, length: number): Tone {
  return { hz, at, length };
}

/** What is to be heard at an operator position: not what was silenced there. */
export function heardAt(alerts: readonly Alert[], position: string | null): readonly Alert[] {
  if (position === null) return alerts;
  return alerts.filter((alert) => !alert.silenced.some((one) => one.position === position));
}

/** The cause to be heard now, or null. Only what nobody has acknowledged makes a sound. */
export function causeOf(alerts: readonly Alert[], lost: boolean): Cause | null {
  const worst = Math.max(0, ...alerts.filter((a) => a.state === 'unacknowledged').map((a) => rank(a.severity)));
  if (worst >= 3) return 'emergency';
  if (worst === 2) return 'critical';
  if (lost) return 'lost';
  return worst === 1 ? 'warning' : null;
}
