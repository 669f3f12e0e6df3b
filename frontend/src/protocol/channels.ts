import { Cursor } from './cursor';
import type { ChannelName, ClientMessage, Delta, ServerMessage, Snapshot } from './messages';
import type { Time } from './time';

/** Alerts that the heartbeat names and that have not come after this long are asked for again. */
const BEHIND_MS = 4_000;
/** A snapshot that has not come after this long is asked for again. */
const UNANSWERED_MS = 10_000;

/** Who keeps what a channel says. Calls come in seq order; after `gap` a snapshot follows. */
export interface ChannelSink {
  snapshot(message: Snapshot): void;
  delta(message: Delta): void;
  gap(from: number, to: number): void;
  /** A heartbeat says that everything there is has come, or that something has been missing for a while. */
  whole?(nothingMissing: boolean): void;
}

/**
 * What is subscribed over one connection after another. Each channel's messages reach its sink once and in order, or the
 * sink is told of a gap; what stays missing is asked for again.
 */
export class Channels {
  private readonly cursors = new Map<ChannelName, Cursor>();
  private epoch: string | null = null;
  private behindSince: number | null = null;

  constructor(
    private readonly sinks: Partial<Record<ChannelName, ChannelSink>>,
    private readonly time: Time,
    private readonly send: (message: ClientMessage) => void,
  ) {
    for (const name of Object.keys(sinks) as ChannelName[]) this.cursors.set(name, new Cursor());
  }

  /** The newest alert transition applied; null before the first snapshot. */
  get alertsSeq(): number | null {
    return this.cursors.get('alerts')?.have ?? null;
  }

  /** The server has said of which database it tells: everything is subscribed, from where it was if it is the same. */
  greeted(epoch: string): void {
    const another = this.epoch !== null && this.epoch !== epoch;
    this.epoch = epoch;
    for (const [channel, cursor] of this.cursors) {
      if (another) {
        const have = cursor.have;
        cursor.forget();
        if (have !== null && channel === 'alerts') this.sinks[channel]?.gap(have, have);
      }
      this.subscribe(channel);
    }
  }

  heard(message: Extract<ServerMessage, { type: 'snapshot' | 'delta' | 'gap' }>): void {
    const cursor = this.cursors.get(message.channel);
    const sink = this.sinks[message.channel];
    if (message.type === 'snapshot') {
      cursor?.snapshot(message.seq);
      sink?.snapshot(message);
    } else if (message.type === 'gap') {
      cursor?.forget();
      sink?.gap(message.from, message.to);
    } else {
      const verdict = cursor?.delta(message.prev, message.seq);
      if (verdict === 'accept') sink?.delta(message);
      else if (verdict === 'resync') this.subscribe(message.channel);
    }
  }

  /** The server lives. It names the newest transition: what stays missing is asked for, like an unanswered snapshot. */
  alive(through: number): void {
    const now = this.time.now();
    for (const [channel, cursor] of this.cursors) {
      if (cursor.have === null && now - cursor.askedAt >= UNANSWERED_MS) this.subscribe(channel);
    }
    const have = this.alertsSeq;
    if (have === null) {
      this.behindSince = null;
    } else if (through <= have) {
      this.behindSince = null;
      this.sinks.alerts?.whole?.(true);
    } else if (this.behindSince === null) {
      this.behindSince = now;
    } else if (now - this.behindSince >= BEHIND_MS) {
      this.behindSince = now;
      this.sinks.alerts?.whole?.(false);
      this.subscribe('alerts');
    }
  }

  /** The connection is gone: how long something has been missing counts anew with the next one. */
  interrupted(): void {
    this.behindSince = null;
  }

  /** What was seen until now was seen with other eyes: the next subscriptions begin with snapshots. */
  forget(): void {
    for (const cursor of this.cursors.values()) cursor.forget();
  }

  private subscribe(channel: ChannelName): void {
    const cursor = this.cursors.get(channel);
    if (cursor === undefined) return;
    const since = channel === 'alerts' ? cursor.have : null;
    // Only alerts are kept as history; the other channels begin anew with a snapshot.
    if (since === null) cursor.forget();
    cursor.resyncing = true;
    cursor.askedAt = this.time.now();
    this.send(
      since === null || this.epoch === null
        ? { type: 'subscribe', channel }
        : { type: 'subscribe', channel, since, epoch: this.epoch },
    );
  }
}
