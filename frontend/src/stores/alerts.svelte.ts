import type { ChannelSink } from '../protocol/client';
import type { Alert, AlertsDelta, AlertsSnapshot, Delta, Snapshot } from '../protocol/messages';

/** The channel `alerts`: every alert that is not back to normal, and which of them has just come. */
export class AlertsStore implements ChannelSink {
  /** Replaced, never changed in place. */
  open = $state.raw<ReadonlyMap<string, Alert>>(new Map());
  ready = $state(false);
  /** Server time (ms) at which an alert was raised or became worse before these eyes; not from a snapshot. */
  newAt = $state.raw<ReadonlyMap<string, number>>(new Map());
  /** Missed for good: the history between these two was never seen by this page. */
  missed = $state.raw<{ from: number; to: number } | null>(null);

  constructor(private readonly now: () => number) {}

  get list(): Alert[] {
    return [...this.open.values()];
  }

  snapshot(message: Snapshot): void {
    const { alerts } = message as AlertsSnapshot;
    this.open = new Map(alerts.filter((alert) => alert.state !== 'normal').map((alert) => [alert.id, alert]));
    this.ready = true;
  }

  delta(message: Delta): void {
    const { alert, kind } = message as AlertsDelta;
    const open = new Map(this.open);
    if (alert.state === 'normal') open.delete(alert.id);
    else open.set(alert.id, alert);
    this.open = open;
    if (kind === 'raised' || kind === 'escalated') {
      const fresh = [...this.newAt].filter(([id]) => open.has(id));
      this.newAt = new Map([...fresh, [alert.id, this.now()]]);
    }
  }

  gap(from: number, to: number): void {
    this.missed = { from, to };
  }
}
