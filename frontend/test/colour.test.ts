import { describe, expect, it } from 'vitest';
import { palette, zoneFill } from '../src/colour';

/**
 * Colour blindness simulated in linear RGB with the matrices of Machado, Oliveira and Fernandes (2009), severity 1.0;
 * difference as ΔE in CIELAB (CIE 1976). Two colours below ΔE 20 can be taken for each other across a room.
 */
type Triple = [number, number, number];

const kinds: Record<string, [Triple, Triple, Triple]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function linear(hex: string): Triple {
  return [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Triple;
}

function seen(hex: string, matrix: [Triple, Triple, Triple]): Triple {
  const rgb = linear(hex);
  return matrix.map((row) => Math.min(1, Math.max(0, dot(row, rgb)))) as Triple;
}

const dot = (a: Triple, b: Triple) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

function lab(rgb: Triple): Triple {
  const xyz = (
    [
      [0.4124564, 0.3575761, 0.1804375],
      [0.2126729, 0.7151522, 0.072175],
      [0.0193339, 0.119192, 0.9503041],
    ] as Triple[]
  ).map((row, i) => {
    const t = dot(row, rgb) / ([0.95047, 1, 1.08883][i] as number);
    return t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 / 116) * t + 16 / 116;
  }) as Triple;
  return [116 * xyz[1] - 16, 500 * (xyz[0] - xyz[1]), 200 * (xyz[1] - xyz[2])];
}

function difference(a: string, b: string, kind: string): number {
  const matrix = kinds[kind] as [Triple, Triple, Triple];
  const [l1, a1, b1] = lab(seen(a, matrix));
  const [l2, a2, b2] = lab(seen(b, matrix));
  return Math.hypot(l1 - l2, a1 - a2, b1 - b2);
}

function contrast(a: string, b: string): number {
  const light = (hex: string) => dot([0.2126, 0.7152, 0.0722], linear(hex)) + 0.05;
  const [x, y] = [light(a), light(b)];
  return Math.max(x, y) / Math.min(x, y);
}

describe.each(Object.keys(kinds))('with %s', (kind) => {
  const meanings = { ...palette };
  it.each([
    ['warning', 'critical'],
    ['warning', 'emergency'],
    ['critical', 'emergency'],
    ['warning', 'normal'],
    ['critical', 'normal'],
    ['emergency', 'normal'],
    ['warning', 'ink'],
    ['critical', 'ink'],
    ['emergency', 'ink'],
  ] as const)('%s and %s keep apart', (one, other) => {
    expect(difference(meanings[one], meanings[other], kind)).toBeGreaterThan(20);
  });

  it('an alarmed zone keeps apart from a calm one', () => {
    for (const fill of [zoneFill.warning, zoneFill.critical, zoneFill.emergency]) {
      expect(difference(fill, zoneFill[''], kind)).toBeGreaterThan(5);
    }
  });
});

it('text is readable on every ground it stands on', () => {
  for (const ground of [palette.ground, palette.panel, palette.sea]) {
    for (const text of [palette.ink, palette.second, palette.warning, palette.critical, palette.emergency]) {
      expect(contrast(text, ground)).toBeGreaterThan(4.5);
    }
  }
  for (const severity of [palette.warning, palette.critical, palette.emergency]) {
    expect(contrast(palette.mark, severity)).toBeGreaterThan(4.5);
  }
});

it('the style sheet has the same colours', async () => {
  const { readFile } = await import('node:fs/promises');
  const css = await readFile(new URL('../src/base.css', import.meta.url), 'utf8');
  for (const [name, value] of Object.entries(palette)) {
    const found = new RegExp(`--${name}: (#[0-9a-f]{6})`, 'u').exec(css)?.[1];
    if (found !== undefined) expect(found).toBe(value);
  }
  expect(css).toContain(`--critical: ${palette.critical}`);
});
