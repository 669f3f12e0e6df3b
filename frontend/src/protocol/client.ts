import { reconnectDelay, STABLE_MS } from './backoff';
import { Cursor } from './cursor';
import type { ChannelName, ClientMessage, Delta, ServerMessage, Snapshot } from './messages';
import { ServerClock, type Time } from './time';

/** No message for this long: the link is lost, whatever the socket says. */
export const SILENCE_MS = 6_000;
/** Alerts that the heartbeat names and that have not come after this long are asked for again. */
const BEHIND_MS = 4_000;
/** A snapshot that has not come after this long is asked for again. */
const UNANSWERED_MS = 10_000;
/** Close codes by which center says that whoever looks may look no more, or may look at something else now. */
const SIGNED_OUT = 4401;
const RIGHTS_CHANGED = 4403;

export interface Socket {
  send(text: string): void;
  close(): void;
}
export interface SocketEvents {
  open(): void;
  message(text: string): void;
  closed(code?: number): void;
}
export type Connect = (events: SocketEvents) => Socket;

/** Who keeps what a channel says. Calls come in seq order; after `gap` a snapshot follows. */
export interface ChannelSink {
  snapshot(message: Snapshot): void;
  delta(message: Delta): void;
  gap(from: number, to: number): void;
  /** A heartbeat says that everything there is has come, or that something has been missing for a while. */
  whole?(nothingMissing: boolean): void;
}

export interface LinkState {
  /** `refused`: center says that nobody is signed in here; it is not asked again before `resume`. */
  phase: 'connecting' | 'open' | 'waiting' | 'refused';
  /** Local ms of the last heartbeat: center sends none while it may lack alerts, though other frames go on.
   *  Before the first one, when the client was started. */
  heardAt: number;
  everHeard: boolean;
  /** Local ms when an announced restart should be over. */
  restartingUntil: number | null;
}

export interface ClientOptions {
  connect: Connect;
  time: Time;
  random: () => number;
  clock: ServerClock;
  sinks: Partial<Record<ChannelName, ChannelSink>>;
  onLink: (state: LinkState) => void;
  /** Center let this connection go because of who looks. */
  onRights?: (end: 'signed_out' | 'rights_changed') => void;
  onProblem?: (sentence: string) => void;
}

/**
 * One connection to center that comes back by itself. Each channel's messages reach its sink once and in order, or the
 * sink is told of a gap. Knows neither the browser nor the page; `stop` ends it for good.
 */
export class Client {
  private readonly cursors = new Map<ChannelName, Cursor>();
  private socket: Socket | null = null;
  /** Rises with each connection, so that a late event of an old socket is recognised. */
  private generation = 0;
  private attempt = 0;
  private epoch: string | null = null;
  private link: LinkState;
  private behindSince: number | null = null;
  private stopped = false;
  private cancelWatchdog: () => void = () => {};
  private cancelStable: () => void = () => {};
  private cancelRetry: () => void = () => {};

  constructor(private readonly options: ClientOptions) {
    for (const name of Object.keys(options.sinks) as ChannelName[]) this.cursors.set(name, new Cursor());
    this.link = { phase: 'waiting', heardAt: options.time.now(), everHeard: false, restartingUntil: null };
  }

  start(): void {
    this.open();
  }

  stop(): void {
    this.stopped = true;
    this.abandon();
    this.cancelRetry();
  }

  /** Connects again after center refused. */
  resume(): void {
    if (this.link.phase === 'refused') this.open();
  }

  /** Connects anew and asks for everything: what was seen until now was seen with other eyes. */
  renew(): void {
    if (this.stopped) return;
    this.forget();
    this.retry();
  }

  /** The newest alert transition applied; null before the first snapshot. */
  get alertsSeq(): number | null {
    return this.cursors.get('alerts')?.have ?? null;
  }

  /** Tells center what this screen has painted; nothing is sent while there is no connection. */
  painted(seq: number, screen?: string): void {
    this.send(screen === undefined ? { type: 'painted', seq } : { type: 'painted', seq, screen });
  }

  private open(): void {
    if (this.stopped) return;
    const generation = ++this.generation;
    const mine = (action: () => void) => () => {
      if (generation === this.generation && !this.stopped) action();
    };
    this.setLink({ phase: 'connecting' });
    this.socket = this.options.connect({
      open: mine(() => this.opened()),
      message: (text) => mine(() => this.received(text))(),
      closed: (code) => mine(() => this.closed(code))(),
    });
    this.watch();
  }

  private opened(): void {
    this.options.clock.forget();
    this.setLink({ phase: 'open' });
    this.cancelStable = this.options.time.after(STABLE_MS, () => (this.attempt = 0));
    this.watch();
  }

  /** Starts the watchdog anew: silence closes the socket, because a half-open one never reports its death. */
  private watch(): void {
    this.cancelWatchdog();
    this.cancelWatchdog = this.options.time.after(SILENCE_MS, () => this.retry());
  }

  private closed(code: number | undefined): void {
    if (code === SIGNED_OUT) {
      this.forget();
      this.abandon();
      this.behindSince = null;
      this.setLink({ phase: 'refused' });
      this.options.onRights?.('signed_out');
    } else if (code === RIGHTS_CHANGED) {
      this.renew();
      this.options.onRights?.('rights_changed');
    } else {
      this.retry();
    }
  }

  private forget(): void {
    for (const cursor of this.cursors.values()) cursor.forget();
  }

  private abandon(): void {
    this.generation++;
    this.cancelWatchdog();
    this.cancelStable();
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private retry(): void {
    this.abandon();
    this.behindSince = null;
    this.setLink({ phase: 'waiting' });
    this.cancelRetry();
    const delay = reconnectDelay(this.attempt++, this.options.random);
    this.cancelRetry = this.options.time.after(delay, () => this.open());
  }

  private received(text: string): void {
    let message: ServerMessage;
    try {
      message = JSON.parse(text) as ServerMessage;
    } catch {
      this.problem('a frame that is not JSON');
      return;
    }
    const now = this.options.time.now();
    this.watch();
    if (message.type === 'heartbeat') this.setLink({ heardAt: now, everHeard: true });
    else if (message.type !== 'hello') this.setLink({ everHeard: true });
    switch (message.type) {
      case 'hello':
        this.options.clock.heard(Date.parse(message.server_time), now);
        this.greeted(message.epoch);
        break;
      case 'heartbeat':
        this.options.clock.heard(Date.parse(message.server_time), now);
        this.compare(message.alerts_through, now);
        break;
      case 'snapshot':
        this.cursors.get(message.channel)?.snapshot(message.seq);
        this.options.sinks[message.channel]?.snapshot(message);
        break;
      case 'delta':
        this.applyDelta(message);
        break;
      case 'gap':
        this.cursors.get(message.channel)?.forget();
        this.options.sinks[message.channel]?.gap(message.from, message.to);
        break;
      case 'restarting':
        this.setLink({ restartingUntil: now + message.in_s * 1000 });
        break;
      case 'error':
        this.problem(`${message.code}: ${message.message}`);
        break;
      default:
        // A newer server may say more than this page understands.
        break;
    }
  }

  private greeted(epoch: string): void {
    const another = this.epoch !== null && this.epoch !== epoch;
    this.epoch = epoch;
    for (const [channel, cursor] of this.cursors) {
      if (another) {
        const have = cursor.have;
        cursor.forget();
        if (have !== null && channel === 'alerts') this.options.sinks[channel]?.gap(have, have);
      }
      this.subscribe(channel);
    }
    this.setLink({ restartingUntil: null });
  }

  private subscribe(channel: ChannelName): void {
    const cursor = this.cursors.get(channel);
    if (cursor === undefined) return;
    const since = channel === 'alerts' ? cursor.have : null;
    // Only alerts are kept as history; the other channels begin anew with a snapshot.
    if (since === null) cursor.forget();
    cursor.resyncing = true;
    cursor.askedAt = this.options.time.now();
    this.send(
      since === null || this.epoch === null
        ? { type: 'subscribe', channel }
        : { type: 'subscribe', channel, since, epoch: this.epoch },
    );
  }

  private applyDelta(message: Delta): void {
    const cursor = this.cursors.get(message.channel);
    if (cursor === undefined) return;
    const verdict = cursor.delta(message.prev, message.seq);
    if (verdict === 'accept') this.options.sinks[message.channel]?.delta(message);
    else if (verdict === 'resync') this.subscribe(message.channel);
  }

  /** The server lives. It names the newest transition: what stays missing is asked for, like an unanswered snapshot. */
  private compare(through: number, now: number): void {
    for (const [channel, cursor] of this.cursors) {
      if (cursor.have === null && now - cursor.askedAt >= UNANSWERED_MS) this.subscribe(channel);
    }
    const have = this.alertsSeq;
    if (have === null) {
      this.behindSince = null;
    } else if (through <= have) {
      this.behindSince = null;
      this.options.sinks.alerts?.whole?.(true);
    } else if (this.behindSince === null) {
      this.behindSince = now;
    } else if (now - this.behindSince >= BEHIND_MS) {
      this.behindSince = now;
      this.options.sinks.alerts?.whole?.(false);
      this.subscribe('alerts');
    }
  }

  private send(message: ClientMessage): void {
    if (this.link.phase === 'open') this.socket?.send(JSON.stringify(message));
  }

  private setLink(change: Partial<LinkState>): void {
    this.link = { ...this.link, ...change };
    this.options.onLink(this.link);
  }

  private problem(sentence: string): void {
    this.options.onProblem?.(sentence);
  }
}
