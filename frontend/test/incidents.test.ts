import { expect, it } from 'vitest';
import type { CityIncident } from '../src/protocol/messages';
import { groupIncidents } from '../src/wall/incidents';
import { alert } from './alert';

function incident(id: string, first_out: string, alerts: string[], reports = 0): CityIncident {
  return { id, first_out, alerts, reports, sectors: [], zones: [], opened_at: '2026-11-22T11:00:00Z' };
}

it('groups as center does, and names what was first', () => {
  const alerts = [
    alert({ id: 'tide', rule: 'tide', severity: 'critical', age: 192 }),
    alert({ id: 'rain', rule: 'rain', age: 665, owner: 'Quân' }),
    alert({ id: 'flood', rule: 'flood', severity: 'critical', age: 167 }),
  ];
  const [found, ...others] = groupIncidents(alerts, [incident('i', 'rain', ['rain', 'tide', 'flood'], 2)]);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ id: 'i', count: 3, owner: 'Quân', unacknowledged: true, reports: 2 });
  expect(found?.first.id).toBe('rain');
  expect(found?.worst.id).toBe('tide');
});

it('leaves out what is over or hidden, and an incident of which nothing is shown', () => {
  const alerts = [alert({ id: 'a' }), alert({ id: 'b', state: 'shelved' }), alert({ id: 'c', state: 'shelved' })];
  const found = groupIncidents(alerts, [incident('i', 'gone', ['gone', 'a', 'b']), incident('j', 'c', ['c'])]);
  expect(found.map(({ id, count }) => [id, count])).toEqual([['i', 1]]);
  expect(found[0]?.first.id).toBe('a');
});

it('shows what is not grouped yet by itself, the worst first', () => {
  const found = groupIncidents([alert({ id: 'a' }), alert({ id: 'b', severity: 'critical' })], []);
  expect(found.map(({ id }) => id)).toEqual(['b', 'a']);
});
