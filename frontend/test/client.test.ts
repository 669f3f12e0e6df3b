import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelSink } from '../src/protocol/channels';
import { Client, SILENCE_MS, type LinkState, type SocketEvents } from '../src/protocol/client';
import type { Delta, Snapshot } from '../src/protocol/messages';
import { ServerClock } from '../src/protocol/time';
import { ManualTime } from './manualTime';

/** The other end of one connection. */
class FakeSocket {
  readonly sent: Record<string, unknown>[] = [];
  closed = false;

  constructor(readonly events: SocketEvents) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  close(): void {
    this.closed = true;
  }

  say(message: object): void {
    this.events.message(JSON.stringify(message));
  }

  hello(epoch = 'e1'): void {
    this.events.open();
    this.say({ type: 'hello', server_time: '2026-11-22T11:00:00Z', epoch, heartbeat_s: 2, version: 'citywatch.v1' });
  }

  subscriptions(): Record<string, unknown>[] {
    return this.sent.filter((message) => message['type'] === 'subscribe');
  }
}

class Notes implements ChannelSink {
  readonly seqs: (number | string)[] = [];
  snapshot(message: Snapshot): void {
    this.seqs.push(`snapshot ${message.seq}`);
  }
  delta(message: Delta): void {
    this.seqs.push(message.seq);
  }
  gap(from: number, to: number): void {
    this.seqs.push(`gap ${from}-${to}`);
  }
  readonly heartbeats: boolean[] = [];
  whole(nothingMissing: boolean): void {
    this.heartbeats.push(nothingMissing);
  }
}

let time: ManualTime;
let sockets: FakeSocket[];
let links: LinkState[];
let alerts: Notes;
let city: Notes;
let clock: ServerClock;
let client: Client;

beforeEach(() => {
  time = new ManualTime();
  sockets = [];
  links = [];
  alerts = new Notes();
  city = new Notes();
  clock = new ServerClock(0);
  client = new Client({
    connect: (events) => {
      const socket = new FakeSocket(events);
      sockets.push(socket);
      return socket;
    },
    time,
    random: () => 1,
    clock,
    sinks: { alerts, city },
    onLink: (state) => links.push(state),
  });
  client.start();
});

const newest = () => sockets.at(-1) as FakeSocket;
const delta = (prev: number, seq: number) => ({ type: 'delta', channel: 'alerts', prev, seq });
const snapshot = (seq: number) => ({ type: 'snapshot', channel: 'alerts', seq, alerts: [] });
const beat = (through: number) => ({ type: 'heartbeat', server_time: '2026-11-22T11:00:00Z', alerts_through: through });

describe('a channel', () => {
  it('is subscribed after hello, and takes what follows on the snapshot', () => {
    newest().hello();
    expect(newest().subscriptions()).toEqual([
      { type: 'subscribe', channel: 'alerts' },
      { type: 'subscribe', channel: 'city' },
    ]);
    newest().say(snapshot(10));
    newest().say(delta(10, 11));
    newest().say(delta(11, 14));
    expect(alerts.seqs).toEqual(['snapshot 10', 11, 14]);
  });

  it('drops what it has, and accepts an overlap of prev', () => {
    newest().hello();
    newest().say(snapshot(10));
    newest().say(delta(9, 10));
    newest().say(delta(8, 12));
    expect(alerts.seqs).toEqual(['snapshot 10', 12]);
  });

  it('asks once for what is missing, with since and epoch, and goes on with the answer', () => {
    newest().hello();
    newest().say(snapshot(10));
    newest().say(delta(12, 13));
    newest().say(delta(13, 14));
    expect(newest().subscriptions().slice(2)).toEqual([
      { type: 'subscribe', channel: 'alerts', since: 10, epoch: 'e1' },
    ]);
    for (const seq of [11, 12, 13, 14]) newest().say(delta(seq - 1, seq));
    expect(alerts.seqs).toEqual(['snapshot 10', 11, 12, 13, 14]);
  });

  it('tells of a gap and begins anew with the snapshot after it', () => {
    newest().hello();
    newest().say(snapshot(10));
    newest().say({ type: 'gap', channel: 'alerts', from: 11, to: 900 });
    newest().say(delta(900, 901));
    newest().say(snapshot(901));
    newest().say(delta(901, 902));
    expect(alerts.seqs).toEqual(['snapshot 10', 'gap 11-900', 'snapshot 901', 902]);
  });

  it('ignores frames that are not JSON, unknown types and channels nobody follows', () => {
    newest().hello();
    newest().events.message('{');
    newest().say({ type: 'weather' });
    newest().say({ type: 'delta', channel: 'live', prev: 1, seq: 2, values: [] });
    newest().say(snapshot(1));
    expect(alerts.seqs).toEqual(['snapshot 1']);
  });

  it('asks for alerts that a heartbeat names and that do not come', () => {
    newest().hello();
    newest().say(snapshot(10));
    newest().say(beat(12));
    time.advance(2_000);
    newest().say(beat(12));
    expect(newest().subscriptions()).toHaveLength(2);
    time.advance(2_000);
    newest().say(beat(12));
    expect(newest().subscriptions().at(-1)).toEqual({ type: 'subscribe', channel: 'alerts', since: 10, epoch: 'e1' });
    expect(alerts.heartbeats).toEqual([false]);
    newest().say(delta(10, 12));
    newest().say(beat(12));
    expect(alerts.heartbeats).toEqual([false, true]);
  });
});

it('asks again for a snapshot that does not come while the server lives', () => {
  newest().hello();
  newest().say(snapshot(1));
  for (let i = 0; i < 6; i++) {
    time.advance(2_000);
    newest().say(beat(1));
  }
  expect(newest().subscriptions().slice(2)).toEqual([{ type: 'subscribe', channel: 'city' }]);
});

describe('after a lost connection', () => {
  it('goes on with since at the same database', () => {
    newest().hello();
    newest().say(snapshot(10));
    newest().events.closed();
    time.advance(500);
    newest().hello();
    expect(newest().subscriptions()[0]).toEqual({ type: 'subscribe', channel: 'alerts', since: 10, epoch: 'e1' });
    expect(newest().subscriptions()[1]).toEqual({ type: 'subscribe', channel: 'city' });
    newest().say(delta(10, 11));
    expect(alerts.seqs).toEqual(['snapshot 10', 11]);
  });

  it('forgets what it had when the database is another one, and says so', () => {
    newest().hello('e1');
    newest().say(snapshot(10));
    newest().events.closed();
    time.advance(500);
    newest().hello('e2');
    expect(newest().subscriptions()[0]).toEqual({ type: 'subscribe', channel: 'alerts' });
    newest().say(snapshot(3));
    newest().say(delta(3, 4));
    expect(alerts.seqs).toEqual(['snapshot 10', 'gap 10-10', 'snapshot 3', 4]);
  });

  it('waits random(0, min(30 s, 0.5·2ⁿ)), and starts over after a stable minute', () => {
    const waits: number[] = [];
    const fail = () => {
      newest().events.closed();
      const count = sockets.length;
      const from = time.now();
      while (sockets.length === count) time.advance(100);
      waits.push(time.now() - from);
    };
    for (let i = 0; i < 8; i++) fail();
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    newest().hello();
    for (let i = 0; i < 31; i++) {
      time.advance(2_000);
      newest().say(beat(0));
    }
    waits.length = 0;
    fail();
    expect(waits).toEqual([500]);
  });

  it('takes nothing from the old socket any more', () => {
    newest().hello();
    newest().say(snapshot(10));
    const old = newest();
    old.events.closed();
    old.say(delta(10, 11));
    expect(alerts.seqs).toEqual(['snapshot 10']);
  });
});

describe('the watchdog', () => {
  it('closes a silent socket and connects anew', () => {
    newest().hello();
    time.advance(SILENCE_MS - 1);
    expect(newest().closed).toBe(false);
    time.advance(1);
    expect(sockets[0]?.closed).toBe(true);
    expect(links.at(-1)?.phase).toBe('waiting');
    time.advance(500);
    expect(sockets).toHaveLength(2);
  });

  it('is content with a heartbeat every two seconds', () => {
    newest().hello();
    for (let i = 0; i < 100; i++) {
      time.advance(2_000);
      newest().say(beat(0));
    }
    expect(sockets).toHaveLength(1);
    expect(links.at(-1)).toMatchObject({ phase: 'open', heardAt: 200_000, everHeard: true });
  });

  it('counts as heard what a heartbeat vouches for, not frames that go on without it', () => {
    newest().hello();
    newest().say(beat(0));
    const heardAt = time.now();
    for (let i = 0; i < 20; i++) {
      time.advance(500);
      newest().say({ type: 'snapshot', channel: 'live', seq: i, series: [], values: [] });
    }
    expect(sockets).toHaveLength(1);
    expect(links.at(-1)).toMatchObject({ phase: 'open', heardAt, everHeard: true });
  });

  it('does not take a server that only greets for a living one', () => {
    newest().hello();
    for (let i = 0; i < 5; i++) {
      const count = sockets.length;
      while (sockets.length === count) time.advance(100);
      newest().hello();
    }
    expect(time.now()).toBeGreaterThan(30_000);
    expect(links.at(-1)).toMatchObject({ phase: 'open', heardAt: 0, everHeard: false });
  });

  it('gives up a connection that never opens', () => {
    time.advance(SILENCE_MS + 500);
    expect(sockets).toHaveLength(2);
    expect(links.at(-1)?.everHeard).toBe(false);
  });
});

it('tells of an announced restart until the next hello', () => {
  newest().hello();
  newest().say({ type: 'restarting', in_s: 2 });
  expect(links.at(-1)?.restartingUntil).toBe(2_000);
  newest().events.closed();
  time.advance(500);
  newest().hello();
  expect(links.at(-1)?.restartingUntil).toBeNull();
});

it('reports what was painted, and only over an open connection', () => {
  client.painted(7);
  newest().hello();
  client.painted(8);
  client.painted(9, 'north');
  expect(newest().sent.filter((message) => message['type'] === 'painted')).toEqual([
    { type: 'painted', seq: 8 },
    { type: 'painted', seq: 9, screen: 'north' },
  ]);
});

it('connects no more once stopped', () => {
  newest().hello();
  client.stop();
  time.advance(120_000);
  expect(sockets).toHaveLength(1);
  expect(newest().closed).toBe(true);
});

describe('the server clock', () => {
  it('believes the fastest heartbeat', () => {
    const server = new ServerClock(0);
    server.heard(1_000_000 - 300, 0);
    server.heard(1_002_000 - 40, 2_000);
    server.heard(1_004_000 - 900, 4_000);
    expect(server.at(5_000)).toBe(1_005_000 - 40);
  });

  it('follows a clock that was put back, within its window', () => {
    const server = new ServerClock(0, 5);
    server.heard(1_000_000, 0);
    for (let i = 1; i <= 5; i++) server.heard(900_000 + i * 2_000, i * 2_000);
    expect(server.at(10_000)).toBe(910_000);
  });

  it('is not put out by a time that cannot be read', () => {
    const server = new ServerClock(5);
    server.heard(NaN, 0);
    expect(server.at(10)).toBe(15);
  });
});

describe('rights that end', () => {
  beforeEach(() => {
    first().hello();
    first().say({ type: 'snapshot', channel: 'alerts', seq: 7, alerts: [] });
  });

  function first(): FakeSocket {
    const socket = sockets[0];
    if (socket === undefined) throw new Error('no connection was made');
    return socket;
  }

  it('stays away after 4401 until it is told to resume, and then asks for everything', () => {
    first().events.closed(4401);
    expect(links.at(-1)?.phase).toBe('refused');
    time.advance(3_600_000);
    expect(sockets).toHaveLength(1);
    client.resume();
    expect(sockets).toHaveLength(2);
    sockets[1]?.hello();
    expect(sockets[1]?.subscriptions()).toContainEqual({ type: 'subscribe', channel: 'alerts' });
  });

  it('connects again after 4403 and asks for everything, as what it had was seen with other rights', () => {
    first().events.closed(4403);
    expect(links.at(-1)?.phase).toBe('waiting');
    time.advance(1_000);
    sockets[1]?.hello();
    expect(sockets[1]?.subscriptions()).toContainEqual({ type: 'subscribe', channel: 'alerts' });
  });

  it('resumes nothing that was not refused', () => {
    client.resume();
    first().events.closed(1006);
    client.resume();
    expect(sockets).toHaveLength(1);
  });
});
