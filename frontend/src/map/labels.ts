/** Placing labels beside their pins: none over another, none over a pin, none outside; a placed label stays put. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Pin {
  id: string;
  x: number;
  y: number;
  label: { width: number; height: number; important: boolean } | null;
}

const PIN = 17;
const GAP = 6;

/** Leaders of what is important may be long; of the rest, short. */
const REACHES = { long: [34, 70, 120, 180, 250], short: [34, 70] } as const;

/**
 * Pins in order of importance. `before` holds the offsets of labels already on the screen: one of those keeps its place
 * as long as it does not cover something more important. A label without a free place is left out.
 */
export function placeLabels(
  pins: readonly Pin[],
  area: Box,
  taken: readonly Box[],
  before: ReadonlyMap<string, [number, number]>,
): Map<string, Box> {
  const placed = new Map<string, Box>();
  const shapes = pins.map((pin) => ({ x: pin.x - PIN, y: pin.y - PIN, width: 2 * PIN, height: 2 * PIN }));
  const blocked = [...taken];
  const leaders: Leader[] = [];
  for (const pin of pins) {
    if (pin.label === null) continue;
    const { width, height } = pin.label;
    const earlier = before.get(pin.id);
    const around = candidates(width, height, pin.label.important ? REACHES.long : REACHES.short);
    const offsets = earlier ? [earlier, ...around] : around;
    for (const [dx, dy] of offsets) {
      const box = { x: pin.x + dx, y: pin.y + dy, width, height };
      if (!inside(box, area) || blocked.some((other) => overlap(box, other))) continue;
      if (shapes.some((shape) => overlap(box, shape))) continue;
      const leader: Leader = [[pin.x, pin.y], nearestPoint(box, pin.x, pin.y)];
      if (blocked.some((other) => crosses(leader, other)) || leaders.some((other) => crosses(other, box))) continue;
      leaders.push(leader);
      placed.set(pin.id, box);
      blocked.push({ x: box.x - GAP, y: box.y - GAP, width: width + 2 * GAP, height: height + 2 * GAP });
      break;
    }
  }
  return placed;
}

/** Around the pin, near rings first; right and above before left and below. */
function candidates(width: number, height: number, reaches: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const reach of reaches) {
    for (const [ux, uy] of [
      [1, -0.6],
      [1, 0.6],
      [-1, -0.6],
      [-1, 0.6],
      [0, -1],
      [0, 1],
      [1, 0],
      [-1, 0],
    ] as const) {
      const dx = ux * reach + (ux > 0 ? 0 : ux < 0 ? -width : -width / 2);
      const dy = uy * reach + (uy > 0 ? 0 : uy < 0 ? -height : -height / 2);
      found.push([Math.round(dx), Math.round(dy)]);
    }
  }
  return found;
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

type Leader = [from: [number, number], to: [number, number]];

/** Whether a line passes through the inside of a box (Liang–Barsky). */
function crosses([[x0, y0], [x1, y1]]: Leader, box: Box): boolean {
  let enter = 0;
  let leave = 1;
  for (const [step, room] of [
    [x0 - x1, x0 - box.x],
    [x1 - x0, box.x + box.width - x0],
    [y0 - y1, y0 - box.y],
    [y1 - y0, box.y + box.height - y0],
  ] as const) {
    if (step === 0) {
      if (room <= 0) return false;
    } else if (step < 0) enter = Math.max(enter, room / step);
    else leave = Math.min(leave, room / step);
  }
  return enter < leave;
}

function inside(box: Box, area: Box): boolean {
  return (
    box.x >= area.x &&
    box.y >= area.y &&
    box.x + box.width <= area.x + area.width &&
    box.y + box.height <= area.y + area.height
  );
}

/** Where the leader line meets the box: the nearest point of its edge. */
export function nearestPoint(box: Box, x: number, y: number): [number, number] {
  return [Math.min(Math.max(x, box.x), box.x + box.width), Math.min(Math.max(y, box.y), box.y + box.height)];
}
