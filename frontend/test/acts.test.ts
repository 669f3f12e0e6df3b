import { expect, test } from 'vitest';
import { ROLES, type Role } from '../src/access/identity.svelte';
import { actsOn } from '../src/console/acts';
import { movedOn } from '../src/console/refused';
import { wordsOf } from '../src/console/timeline';
import { percent } from '../src/operation/health';
import { hiddenBefore, hoursFrom, rulesOf } from '../src/operation/hidden';
import { causeOf, heardAt } from '../src/sound/plan';
import { alert } from './alert';

function hand(role: Role, here = true) {
  return {
    principal: { name: 'Lan' },
    covers: (needed: Role) => ROLES.indexOf(role) >= ROLES.indexOf(needed),
    mayActOn: () => here && role !== 'viewer',
  };
}

function offered(...args: Parameters<typeof actsOn>): string[] {
  return Object.entries(actsOn(...args))
    .filter(([, may]) => may)
    .map(([act]) => act);
}

test('an operator is offered what the state allows, and nothing elsewhere', () => {
  expect(offered(alert({}), hand('operator'))).toEqual(['silence', 'acknowledge', 'accept', 'comment', 'shelve']);
  expect(offered(alert({ state: 'shelved' }), hand('operator'))).toEqual(['comment']);
  expect(offered(alert({ state: 'acknowledged' }), hand('operator'))).toEqual(['accept', 'comment', 'shelve']);
  expect(offered(alert({ state: 'returned_unacknowledged' }), hand('operator'))).toEqual([
    'silence',
    'acknowledge',
    'comment',
    'shelve',
  ]);
  expect(offered(alert({}), hand('operator', false))).toEqual([]);
  expect(offered(alert({}), hand('viewer'))).toEqual([]);
});

test('what one owns one releases; what another owns a supervisor', () => {
  const owned = { state: 'acknowledged', accepted_at: '2026-11-22T12:00:00Z' } as const;
  expect(offered(alert({ ...owned, owner: 'Lan' }), hand('operator'))).toEqual(['release', 'comment', 'shelve']);
  expect(offered(alert({ ...owned, owner: 'Minh' }), hand('operator'))).toEqual(['comment', 'shelve']);
  expect(offered(alert({ ...owned, owner: 'Minh' }), hand('supervisor'))).toEqual([
    'release',
    'assign',
    'comment',
    'shelve',
    'withhold',
  ]);
});

test('what is silenced at a position is not heard there, and is heard elsewhere', () => {
  const silent = alert({
    severity: 'critical',
    silenced: [{ position: 'desk 1', by: 'Lan', at: '2026-11-22T12:00:00Z' }],
  });
  expect(causeOf(heardAt([silent], 'desk 1'), false)).toBe(null);
  expect(causeOf(heardAt([silent], 'desk 2'), false)).toBe('critical');
  expect(causeOf(heardAt([silent], null), false)).toBe('critical');
});

test('whoever was faster is named, but not to themselves', () => {
  const step = { kind: 'accepted', at: '2026-11-22T05:00:05Z', actor: 'Lan' };
  const told = (actor: string | null, name: string, kind: 'person' | 'local' = 'person') =>
    movedOn({ ...step, actor }, { kind, name }, 'Asia/Ho_Chi_Minh');
  expect(told('Lan', 'Minh')).toBe('Lan nhanh hơn: Nhận xử lý lúc 12:00:05. Xin xem lại.');
  expect(told('Lan', 'Lan')).toBe('Chính bạn đã đổi ở nơi khác: Nhận xử lý lúc 12:00:05. Xin xem lại.');
  expect(told(null, 'Lan')).toBe('Báo động vừa đổi: Nhận xử lý lúc 12:00:05. Xin xem lại.');
  expect(told('local', 'local', 'local')).toBe('Báo động vừa đổi: Nhận xử lý lúc 12:00:05. Xin xem lại.');
});

test('the words of an act stand beside it in the history', () => {
  expect(wordsOf({ text: 'Đã gọi trạm bơm' })).toBe('Đã gọi trạm bơm');
  expect(wordsOf({ until: null })).toBe('');
  expect(wordsOf(null)).toBe('');
});

test('what a window would have hidden is added up, and rules are read as they are typed', () => {
  const before = [
    { rule: 'a', severity: 'warning' as const, alerts: 3 },
    { rule: 'a', severity: 'critical' as const, alerts: 2 },
  ];
  expect(hiddenBefore({ now: [], days: 7, before })).toBe(5);
  expect(rulesOf(' flood-1, pumps\n')).toEqual(['flood-1', 'pumps']);
  expect(hoursFrom(0, 0.5)).toBe('1970-01-01T00:30:00.000Z');
});

test('parts are told as per cent', () => {
  expect([0, 0.004, 0.05, 0.8, 1].map(percent)).toEqual(['0 %', '0.4 %', '5.0 %', '80 %', '100 %']);
});
