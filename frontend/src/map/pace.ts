import type { Time } from '../protocol/time';

/** After an alert its row is painted first: a machine without a graphics card has but one queue for all its drawing. */
const AFTER_ALERT_MS = 150;
/** As far as the map may be behind. Changes that come together are drawn together. */
const MOST_MS = 1_000;

/**
 * When the map is drawn anew: not while a new alert is on its way to the glass and not twice within a second, but never
 * later than a second after the first change that waits.
 */
export class Pace {
  private quietFrom: number;
  private drawnAt: number;
  private waitsSince: number | null = null;
  private cancel: () => void = () => {};

  constructor(
    private readonly time: Time,
    private readonly draw: () => void,
  ) {
    this.quietFrom = time.now();
    this.drawnAt = time.now() - MOST_MS;
  }

  /** An alert came, or has just been painted. */
  alert(): void {
    this.quietFrom = this.time.now() + AFTER_ALERT_MS;
    if (this.waitsSince !== null) this.arrange();
  }

  /** Something on the map has changed. */
  changed(): void {
    if (this.waitsSince !== null) return;
    this.waitsSince = this.time.now();
    this.arrange();
  }

  stop(): void {
    this.cancel();
    this.waitsSince = null;
  }

  private arrange(): void {
    if (this.waitsSince === null) return;
    this.cancel();
    const wanted = Math.max(this.quietFrom, this.drawnAt + MOST_MS);
    const due = Math.min(wanted, this.waitsSince + MOST_MS);
    this.cancel = this.time.after(Math.max(0, due - this.time.now()), () => {
      this.waitsSince = null;
      this.drawnAt = this.time.now();
      this.draw();
    });
  }
}
