import { expect, it } from 'vitest';
import { groupIncidents } from '../src/wall/incidents';
import { alert } from './alert';

const place = (lon: number, lat: number): [number, number] => [lon, lat];

it('groups what is near in place and time, and names what was first', () => {
  const [incident, ...others] = groupIncidents([
    alert({ id: 'tide', rule: 'tide', severity: 'critical', location: place(106.71, 10.776), age: 192 }),
    alert({ id: 'rain', rule: 'rain', location: place(106.7, 10.79), age: 665, owner: 'Quân' }),
    alert({ id: 'flood', rule: 'flood', severity: 'critical', location: place(106.72, 10.79), age: 167 }),
  ]);
  expect(others).toEqual([]);
  expect(incident).toMatchObject({ count: 3, owner: 'Quân', unacknowledged: true });
  expect(incident?.first.id).toBe('rain');
  expect(incident?.worst.id).toBe('tide');
});

it('keeps apart what is far away or long ago', () => {
  const incidents = groupIncidents([
    alert({ rule: 'a', location: place(106.71, 10.776) }),
    alert({ rule: 'b', location: place(107.1, 10.4) }),
    alert({ rule: 'c', location: place(106.71, 10.776), age: 7200 }),
  ]);
  expect(incidents).toHaveLength(3);
});

it('groups one rule and one zone even without a place', () => {
  expect(groupIncidents([alert({ rule: 'a' }), alert({ rule: 'a' })])).toHaveLength(1);
  expect(groupIncidents([alert({ rule: 'a', zone: 'z' }), alert({ rule: 'b', zone: 'z' })])).toHaveLength(1);
});
