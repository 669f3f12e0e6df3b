import { beforeEach, describe, expect, it } from 'vitest';
import type { Answer, Ask } from '../src/access/answer';
import { Pairing } from '../src/access/pairing.svelte';
import { ManualTime } from './manualTime';

/** Center's door for screens: what it says next to each path, and what it was asked. */
class Door {
  readonly asked: [string, unknown][] = [];
  readonly next = new Map<string, Answer<unknown>[]>();

  says(path: string, ...answers: Answer<unknown>[]): this {
    this.next.set(path, [...(this.next.get(path) ?? []), ...answers]);
    return this;
  }

  ask: Ask = async <T>(_: string, path: string, body?: unknown) => {
    this.asked.push([path, body]);
    const answers = this.next.get(path) ?? [];
    return (answers.length > 1 ? answers.shift() : answers[0]) as Answer<T>;
  };
}

const PAIRING = '/devices/pairing';
const POLL = '/devices/pairing/poll';
const CLAIM = '/devices/claim';
const ok = (body: unknown): Answer<unknown> => ({ ok: true, body });
const refused = (status: number, code: string, waitS = 0): Answer<unknown> => ({ ok: false, status, code, sentence: '', waitS });
const begun = (code: string, seconds = 600) => ok({ code, secret: `secret of ${code}`, expires_in_s: seconds });
const waiting = ok({ state: 'waiting' });
const paired = ok({ state: 'paired' });

let time: ManualTime;
let door: Door;
let pairing: Pairing;
let done: boolean;

beforeEach(() => {
  time = new ManualTime();
  door = new Door();
  pairing = new Pairing(door.ask, time);
  done = false;
});

function run(link: string | null = null): void {
  void pairing.run(link).then(() => (done = true));
}

/** Lets time pass in small steps, and what is asked in between be answered. */
async function pass(seconds: number): Promise<void> {
  for (let step = 0; step < seconds * 4 + 1; step++) {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    if (step > 0) time.advance(250);
  }
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

describe('pairing', () => {
  it('shows a code, asks every two seconds, and is done when somebody confirms it', async () => {
    door.says(PAIRING, begun('AAAA-AAAA')).says(POLL, waiting, waiting, paired);
    run();
    await pass(1);
    expect(pairing.code).toBe('AAAA-AAAA');
    expect(done).toBe(false);
    await pass(6);
    expect(done).toBe(true);
    expect(door.asked.filter(([path]) => path === POLL)).toEqual(Array(3).fill([POLL, { secret: 'secret of AAAA-AAAA' }]));
  });

  it('takes another code when one has run out, but asks a last time before', async () => {
    door.says(PAIRING, begun('AAAA-AAAA', 3), begun('BBBB-BBBB')).says(POLL, waiting, waiting, waiting);
    run();
    await pass(4);
    expect(pairing.code).toBe('BBBB-BBBB');
    expect(door.asked.slice(0, 4).map(([path]) => path)).toEqual([PAIRING, POLL, POLL, PAIRING]);
  });

  it('needs no code when its link is over but it may look already', async () => {
    door.says(CLAIM, refused(410, 'link_over'));
    void pairing.run('used', async () => true).then(() => (done = true));
    await pass(1);
    expect([done, door.asked.length]).toEqual([true, 1]);
  });

  it('takes another code when center says that one is over', async () => {
    door.says(PAIRING, begun('AAAA-AAAA'), begun('BBBB-BBBB')).says(POLL, refused(410, 'pairing_over'), waiting);
    run();
    await pass(3);
    expect(pairing.code).toBe('BBBB-BBBB');
  });

  it('says that center is away, keeps the code, and goes on with it', async () => {
    door.says(PAIRING, begun('AAAA-AAAA')).says(POLL, refused(0, 'no_answer'), waiting, paired);
    run();
    await pass(3);
    expect(pairing.trouble).toBe('offline');
    await pass(5);
    expect(pairing.trouble).toBe('none');
    await pass(3);
    expect(done).toBe(true);
    expect(door.asked.filter(([path]) => path === PAIRING)).toHaveLength(1);
  });

  it('waits as long as center asks for when too many screens are there', async () => {
    door.says(PAIRING, refused(429, 'too_many_pairings', 20), begun('AAAA-AAAA')).says(POLL, waiting);
    run();
    await pass(15);
    expect([pairing.trouble, pairing.code]).toEqual(['busy', null]);
    await pass(7);
    expect([pairing.trouble, pairing.code]).toEqual(['none', 'AAAA-AAAA']);
  });

  it('says that nothing can be paired over plain HTTP', async () => {
    door.says(PAIRING, refused(403, 'https_required'));
    run();
    await pass(1);
    expect(pairing.trouble).toBe('insecure');
  });

  it('claims a link, and keeps it while center is away', async () => {
    door.says(CLAIM, refused(0, 'no_answer'), refused(503, 'unavailable'), paired);
    run('a-link');
    await pass(8);
    expect(done).toBe(true);
    expect(door.asked).toEqual(Array(3).fill([CLAIM, { link: 'a-link' }]));
  });

  it('shows a code when the link is over, and says why', async () => {
    door.says(CLAIM, refused(410, 'link_over')).says(PAIRING, begun('AAAA-AAAA')).says(POLL, waiting);
    run('a-link');
    await pass(1);
    expect([pairing.linkIsOver, pairing.code, done]).toEqual([true, 'AAAA-AAAA', false]);
  });
});
