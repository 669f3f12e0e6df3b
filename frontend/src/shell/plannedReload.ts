import type { Session } from '../stores/session';
import { clock } from '../text/format';
import { countUnacknowledged } from '../wall/alertOrder';

/** A page that runs for months begins anew each night, when nobody needs it and not on all screens at once. */
const FROM_MINUTE = 3 * 60 + 30;
const WINDOW_MINUTES = 30;
/** What was opened during the day need not begin anew, and what began anew tonight must not do so again. */
const LEAST_AGE_MS = 6 * 3_600_000;
const LOOK_MS = 20_000;

export interface Night {
  /** Server time, ms. */
  now: number;
  timezone: string;
  /** How long this page has been open, ms. */
  age: number;
  /** Every alert is known, and none of them waits to be acknowledged. */
  nothingWaits: boolean;
  connected: boolean;
}

/** This screen's own minute after 03:30. */
export function ownMinute(random: () => number): number {
  return Math.floor(random() * WINDOW_MINUTES);
}

/** From this screen's minute on until 04:00, as soon as it is quiet. A night without a quiet moment is left out. */
export function isQuietMoment({ now, timezone, age, nothingWaits, connected }: Night, minute: number): boolean {
  if (!nothingWaits || !connected || age < LEAST_AGE_MS) return false;
  const [hours = 0, minutes = 0] = clock(now, timezone, false).split(':').map(Number);
  const since = hours * 60 + minutes - FROM_MINUTE;
  return since >= minute && since < WINDOW_MINUTES;
}

/** Watches for the quiet moment of this page. A sound that a hand has allowed would be mute afterwards: then never. */
export function planReload({ alerts, city, link }: Session): void {
  const minute = ownMinute(Math.random);
  setInterval(() => {
    const soundByHand = new URLSearchParams(location.search).get('sound') === '1' && navigator.userActivation.hasBeenActive;
    const { emergency, critical, warning } = countUnacknowledged(alerts.list);
    const night: Night = {
      now: link.now,
      timezone: city.city.timezone,
      age: performance.now(),
      nothingWaits: alerts.ready && emergency + critical + warning === 0,
      connected: link.shown === 'live' && link.state.everHeard,
    };
    if (!soundByHand && isQuietMoment(night, minute)) location.reload();
  }, LOOK_MS);
}
