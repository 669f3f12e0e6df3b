import { expect, it } from 'vitest';
import { localInput, skyline } from '../src/operation/backtest';

it('draws steps up from the ground and back to it', () => {
  expect(skyline([0, 2, 1], 2, 10)).toBe('M0 10V10H1V0H2V5H3V10Z');
});

it('draws nothing at the ground, however little there was', () => {
  expect(skyline([0, 0], 0, 10)).toBe('M0 10V10H1V10H2V10Z');
});

it('puts a day ago into the clock of the reader', () => {
  const now = Date.UTC(2026, 10, 22, 12, 30, 45);
  expect(Date.parse(localInput(now, 1))).toBe(now - 86_400_000 - 45_000);
});
