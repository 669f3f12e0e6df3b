import { beforeEach, expect, it } from 'vitest';
import type { AlertsDelta, AlertsSnapshot } from '../src/protocol/messages';
import { AlertsStore, HOLE_SHOWN_MS } from '../src/stores/alerts.svelte';
import { holeNotice } from '../src/wall/holes';
import { alert } from './alert';

const START = Date.UTC(2026, 10, 21, 19, 14);
let now: number;
let store: AlertsStore;

const at = (second: number) => (now = START + second * 1000);
const snapshot = (): AlertsSnapshot => ({ type: 'snapshot', channel: 'alerts', seq: 1, alerts: [] });
const delta = (): AlertsDelta => ({
  type: 'delta',
  channel: 'alerts',
  seq: 2,
  prev: 1,
  kind: 'raised',
  at: '',
  alert: alert({}),
});
const notice = () => holeNotice(store.holes, now, 'Asia/Ho_Chi_Minh');

beforeEach(() => {
  store = new AlertsStore(() => now);
  at(0);
});

it('tells from when to when transitions are missing, for ten minutes after the snapshot that ends it', () => {
  store.snapshot(snapshot());
  at(3);
  store.whole(true);
  at(7);
  store.gap();
  expect(notice()).toEqual({ title: 'THIẾU từ 02:14:03', detail: 'Danh sách có thể chưa đủ, đang hỏi lại' });
  at(8);
  store.whole(true); // the heartbeat compares with the cursor, which a gap has emptied
  at(9);
  store.snapshot(snapshot());
  expect(notice()?.title).toBe('THIẾU 02:14:03–02:14:09');
  now += HOLE_SHOWN_MS - 1;
  expect(notice()).not.toBeNull();
  now += 1;
  expect(notice()).toBeNull();
});

it('begins with the newest transition shown, if that came after the last heartbeat', () => {
  store.snapshot(snapshot());
  at(5);
  store.delta(delta());
  at(9);
  store.gap();
  expect(notice()?.title).toBe('THIẾU từ 02:14:05');
});

it('says that it is behind, and forgets it when what was late has come', () => {
  store.snapshot(snapshot());
  at(8);
  store.whole(false);
  expect(notice()?.title).toBe('THIẾU từ 02:14:00');
  store.delta(delta());
  at(10);
  store.whole(true);
  expect(notice()).toBeNull();
  at(20);
  store.gap();
  expect(notice()?.title).toBe('THIẾU từ 02:14:10');
});

it('counts the holes that are still on the screen, and keeps no more than those', () => {
  store.snapshot(snapshot());
  for (const second of [10, 20]) {
    at(second);
    store.gap();
    at(second + 1);
    store.snapshot(snapshot());
  }
  expect(notice()?.title).toBe('THIẾU 02:14:11–02:14:21 · 2 lần thiếu');
  at(2000);
  store.whole(true);
  store.gap();
  store.snapshot(snapshot());
  expect(store.holes).toHaveLength(1);
});

it('has nothing to say before the first snapshot', () => {
  store.gap();
  store.whole(false);
  store.snapshot(snapshot());
  expect(notice()).toBeNull();
});
