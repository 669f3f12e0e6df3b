import { expect, test } from 'vitest';
import { ROLES, type Role } from '../src/access/identity.svelte';
import { actsOn } from '../src/console/acts';
import { wordsOf } from '../src/console/timeline';
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
  expect(offered(alert({}), hand('operator'))).toEqual(['silence', 'acknowledge', 'accept', 'comment']);
  expect(offered(alert({ state: 'acknowledged' }), hand('operator'))).toEqual(['accept', 'comment']);
  expect(offered(alert({ state: 'returned_unacknowledged' }), hand('operator'))).toEqual([
    'silence',
    'acknowledge',
    'comment',
  ]);
  expect(offered(alert({}), hand('operator', false))).toEqual([]);
  expect(offered(alert({}), hand('viewer'))).toEqual([]);
});

test('what one owns one releases; what another owns a supervisor', () => {
  const owned = { state: 'acknowledged', accepted_at: '2026-11-22T12:00:00Z' } as const;
  expect(offered(alert({ ...owned, owner: 'Lan' }), hand('operator'))).toEqual(['release', 'comment']);
  expect(offered(alert({ ...owned, owner: 'Minh' }), hand('operator'))).toEqual(['comment']);
  expect(offered(alert({ ...owned, owner: 'Minh' }), hand('supervisor'))).toEqual(['release', 'assign', 'comment']);
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

test('the words of an act stand beside it in the history', () => {
  expect(wordsOf({ text: 'Đã gọi trạm bơm' })).toBe('Đã gọi trạm bơm');
  expect(wordsOf({ until: null })).toBe('');
  expect(wordsOf(null)).toBe('');
});
