import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Answer, Ask } from '../src/access/answer';
import { Identity, type Principal, type SessionJson } from '../src/access/identity.svelte';
import { moment } from '../src/text/format';

const LAN: Principal = { kind: 'person', name: 'Lan', role: 'operator', sectors: [], zones: [], must_change_password: false };
const WALL: Principal = { ...LAN, kind: 'device', name: 'wall', role: null };
const denied = (code: string, status = 401): Answer<never> => ({ ok: false, status, code, sentence: '', waitS: 0 });

let who: Principal | null;
let csrf: string;
let zone: string;
let acts: Answer<unknown>[];
let sent: [string, string, string | null | undefined][];
let reloads: number;
let identity: Identity;

beforeEach(() => {
  vi.useFakeTimers();
  who = LAN;
  csrf = 'token 1';
  zone = 'Asia/Ho_Chi_Minh';
  acts = [];
  sent = [];
  reloads = 0;
  const ask: Ask = async <T>(method: string, path: string, _?: unknown, token?: string | null) => {
    sent.push([method, path, token]);
    if (path !== '/session') return (acts.shift() ?? { ok: true, body: null }) as Answer<T>;
    const ways = { required: true, local: true, private: true, oidc: null };
    const expires_at = new Date(Date.now() + 60_000).toISOString();
    const body: SessionJson = { principal: who, csrf, expires_at, sign_in: ways, timezone: zone };
    return { ok: true, body } as Answer<T>;
  };
  identity = new Identity(undefined, ask, () => reloads++);
});
afterEach(() => vi.useRealTimers());

describe('who sits at the console', () => {
  it('sends the token of the session with every act', async () => {
    await identity.load();
    await identity.ask('POST', '/keys', {});
    expect(sent.at(-1)).toEqual(['POST', '/keys', 'token 1']);
  });

  it('learns from center in which zone the city is', async () => {
    zone = 'America/Bogota';
    await identity.load();
    expect(moment('2026-11-22T07:00:00Z')).toBe('22/11/2026 02:00');
    zone = 'Asia/Ho_Chi_Minh';
    await identity.load();
    expect(moment('2026-11-22T07:00:00Z')).toBe('22/11/2026 14:00');
  });

  it('fetches the token anew once when another tab has signed in since', async () => {
    await identity.load();
    csrf = 'token 2';
    acts = [denied('csrf', 403)];
    expect((await identity.ask('POST', '/keys', {})).ok).toBe(true);
    expect(sent.at(-1)).toEqual(['POST', '/keys', 'token 2']);
  });

  it('is nobody at first, without having expired', async () => {
    who = null;
    await identity.load();
    expect([identity.known, identity.principal, identity.expired]).toEqual([true, null, false]);
  });

  it('counts the access of a screen for nobody', async () => {
    who = WALL;
    await identity.load();
    expect(identity.principal).toBe(null);
  });

  it('keeps the page when the session ends during an act, and goes on when the same person is back', async () => {
    await identity.load();
    who = null;
    acts = [denied('sign_in_required')];
    await identity.ask('POST', '/keys', {});
    expect([identity.expired, identity.principal?.name]).toEqual([true, 'Lan']);
    who = LAN;
    await identity.signIn('Lan', 'x');
    expect([identity.expired, reloads]).toEqual([false, 0]);
  });

  it('begins anew when it is somebody else who comes back', async () => {
    await identity.load();
    who = { ...LAN, name: 'Minh' };
    await identity.signIn('Minh', 'x');
    expect(reloads).toBe(1);
  });

  it('asks again when the session should be over', async () => {
    await identity.load();
    who = null;
    await vi.advanceTimersByTimeAsync(61_000);
    expect(identity.expired).toBe(true);
  });

  it('shows only acts that role and scope allow', async () => {
    const table: [Partial<Principal>, boolean][] = [
      [{ role: 'viewer' }, false],
      [{ role: 'operator' }, true],
      [{ role: 'admin' }, true],
      [{ role: 'admin', sectors: ['traffic'] }, false],
      [{ role: 'operator', sectors: ['health'] }, true],
      [{ role: 'operator', zones: ['26740'] }, true],
      [{ role: 'operator', zones: ['99999'] }, false],
    ];
    for (const [part, may] of table) {
      who = { ...LAN, ...part };
      await identity.load();
      expect(identity.mayActOn({ sector: 'health', zone: '26740' })).toBe(may);
    }
  });
});
