import type { ChannelSink } from '../protocol/channels';
import type { Alert, AlertsDelta, AlertsSnapshot, Delta, Snapshot } from '../protocol/messages';

/** Between these two (server time, ms) transitions happened that this page never showed; `to` is null while it lasts. */
export interface Hole {
  from: number;
  to: number | null;
}

/** How long a closed hole stays on the screen: until whoever looked away has looked again. */
export const HOLE_SHOWN_MS = 10 * 60_000;

/** The channel `alerts`: every alert that is not back to normal, which of them has just come, and what was missed. */
export class AlertsStore implements ChannelSink {
  /** Replaced, never changed in place. */
  open = $state.raw<ReadonlyMap<string, Alert>>(new Map());
  ready = $state(false);
  /** Server time (ms) at which an alert was raised or became worse before these eyes; not from a snapshot. */
  newAt = $state.raw<ReadonlyMap<string, number>>(new Map());
  /** Oldest first; only the last can be open. Those long closed go when another one closes. */
  holes = $state.raw<readonly Hole[]>([]);
  /** Server time up to which nothing is missing; null before the first snapshot. */
  private wholeUntil: number | null = null;
  /** The open hole is final: its transitions will not be told any more, a snapshot stands for them. */
  private lost = false;

  constructor(private readonly now: () => number) {}

  get list(): Alert[] {
    return [...this.open.values()];
  }

  snapshot(message: Snapshot): void {
    const { alerts } = message as AlertsSnapshot;
    this.open = new Map(alerts.filter((alert) => alert.state !== 'normal').map((alert) => [alert.id, alert]));
    this.ready = true;
    this.closeHole();
    this.wholeUntil = this.now();
  }

  delta(message: Delta): void {
    const { alert, kind } = message as AlertsDelta;
    if (!this.holeIsOpen) this.wholeUntil = this.now();
    const open = new Map(this.open);
    if (alert.state === 'normal') open.delete(alert.id);
    else open.set(alert.id, alert);
    this.open = open;
    if (kind === 'raised' || kind === 'escalated') {
      const fresh = [...this.newAt].filter(([id]) => open.has(id));
      this.newAt = new Map([...fresh, [alert.id, this.now()]]);
    }
  }

  gap(): void {
    this.openHole();
    this.lost = true;
  }

  /** What was behind and has caught up by deltas was late, not missed: nothing is left of that hole. */
  whole(nothingMissing: boolean): void {
    if (!nothingMissing) {
      this.openHole();
    } else if (!this.lost) {
      this.holes = this.holes.filter((hole) => hole.to !== null);
      this.wholeUntil = this.now();
    }
  }

  private get holeIsOpen(): boolean {
    return this.holes.at(-1)?.to === null;
  }

  private openHole(): void {
    if (this.wholeUntil === null || this.holeIsOpen) return;
    this.holes = [...this.holes, { from: this.wholeUntil, to: null }];
  }

  private closeHole(): void {
    const to = this.now();
    this.lost = false;
    if (!this.holeIsOpen) return;
    this.holes = this.holes
      .map((hole) => ({ from: hole.from, to: hole.to ?? to }))
      .filter((hole) => to - hole.to < HOLE_SHOWN_MS);
  }
}
