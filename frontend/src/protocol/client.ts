import { reconnectDelay, STABLE_MS } from './backoff';
import { Channels, type ChannelSink } from './channels';
import type { ChannelName, ClientMessage, ServerMessage } from './messages';
import { ServerClock, type Time } from './time';

/** No message for this long: the link is lost, whatever the socket says. */
export const SILENCE_MS = 6_000;
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
 * One connection to center that comes back by itself, and what is heard over it. Knows neither the browser nor the page;
 * `stop` ends it for good.
 */
export class Client {
  private readonly channels: Channels;
  private socket: Socket | null = null;
  /** Rises with each connection, so that a late event of an old socket is recognised. */
  private generation = 0;
  private attempt = 0;
  private link: LinkState;
  private stopped = false;
  private cancelWatchdog: () => void = () => {};
  private cancelStable: () => void = () => {};
  private cancelRetry: () => void = () => {};

  constructor(private readonly options: ClientOptions) {
    this.channels = new Channels(options.sinks, options.time, (message) => this.send(message));
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
    this.channels.forget();
    this.retry();
  }

  /** The newest alert transition applied; null before the first snapshot. */
  get alertsSeq(): number | null {
    return this.channels.alertsSeq;
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
      this.channels.forget();
      this.abandon();
      this.setLink({ phase: 'refused' });
      this.options.onRights?.('signed_out');
    } else if (code === RIGHTS_CHANGED) {
      this.renew();
      this.options.onRights?.('rights_changed');
    } else {
      this.retry();
    }
  }

  private abandon(): void {
    this.generation++;
    this.cancelWatchdog();
    this.cancelStable();
    this.channels.interrupted();
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private retry(): void {
    this.abandon();
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
        this.channels.greeted(message.epoch);
        this.setLink({ restartingUntil: null });
        break;
      case 'heartbeat':
        this.options.clock.heard(Date.parse(message.server_time), now);
        this.channels.alive(message.alerts_through);
        break;
      case 'snapshot':
      case 'delta':
      case 'gap':
        this.channels.heard(message);
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
