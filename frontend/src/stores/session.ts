import { Client } from '../protocol/client';
import { browserTime, ServerClock } from '../protocol/time';
import { webSocketTo } from '../protocol/websocket';
import { AlertsStore } from './alerts.svelte';
import type { Catalogue } from './catalogue';
import { CityStore } from './city.svelte';
import { LinkStore } from './link.svelte';
import { LiveStore } from './live';

const PAINTED_MS = 10_000;
const PULSE_MS = 800;

/** One page's connection, with a store for each channel it follows. */
export interface Session {
  alerts: AlertsStore;
  city: CityStore;
  live: LiveStore;
  link: LinkStore;
  catalogue: Catalogue;
  /** Server time now, ms: finer than `link.now`, which moves once a second. */
  serverNow: () => number;
  /** Connects again after center refused. */
  resume: () => void;
  /** Connects anew and asks for everything. */
  renew: () => void;
  stop: () => void;
}

export interface SessionOptions {
  live: boolean;
  /** Center let the connection go because of who looks; after `signed_out` it waits for `resume`. */
  onRights?: (end: 'signed_out' | 'rights_changed') => void;
  /** The connection is back after it was lost: meanwhile more may have changed than the data. */
  onReopened?: () => void;
}

export function openSession(catalogue: Catalogue, options: SessionOptions): Session {
  const { live: withLive } = options;
  const time = browserTime;
  const clock = new ServerClock(Date.now() - time.now());
  const serverNow = () => clock.at(time.now());
  const alerts = new AlertsStore(serverNow);
  const city = new CityStore();
  const live = new LiveStore((sector, metric) => catalogue.get(`${sector}/${metric}`)?.cadenceS);
  const link = new LinkStore(clock, time.now);
  let opened = false;
  const client = new Client({
    connect: webSocketTo(location),
    time,
    random: Math.random,
    clock,
    sinks: withLive ? { alerts, city, live } : { alerts, city },
    onLink: (state) => {
      const opens = state.phase === 'open' && link.state.phase !== 'open';
      link.changed(state);
      if (opens && opened) options.onReopened?.();
      opened ||= opens;
    },
    onRights: (end) => options.onRights?.(end),
    onProblem: (sentence) => console.warn(`citywatch: ${sentence}`),
  });
  client.start();
  let running = true;
  everySecond(serverNow, () => running && link.tick());
  const pulse = setInterval(() => {
    const dim = Math.floor(serverNow() / PULSE_MS) % 2 === 1;
    if (dim !== link.dim) link.dim = dim;
  }, 50);
  const painted = withLive ? setInterval(() => reportPainted(client), PAINTED_MS) : undefined;
  const stop = () => {
    running = false;
    clearInterval(pulse);
    clearInterval(painted);
    client.stop();
  };
  const resume = () => client.resume();
  const renew = () => client.renew();
  return { alerts, city, live, link, catalogue, serverNow, resume, renew, stop };
}

/** On each full second of the server's clock, so that all screens turn together. */
function everySecond(serverNow: () => number, action: () => boolean | void): void {
  const next = () => {
    if (action() === false) return;
    setTimeout(next, 1010 - (serverNow() % 1000));
  };
  next();
}

/**
 * Says which transition is on the glass: the seq is read inside a frame and sent after it was painted. A renderer that
 * hangs runs no frames and so falls silent, which center notices.
 */
function reportPainted(client: Client): void {
  requestAnimationFrame(() => {
    const seq = client.alertsSeq;
    if (seq === null) return;
    const screen = new URLSearchParams(location.search).get('screen') ?? undefined;
    setTimeout(() => client.painted(seq, screen), 0);
  });
}
