/** What a screen of a given size and distance can show: type grows to stay legible, rows give way. */

/** The reference: 28 px on a 98-inch 1080p screen, seen from 5 m. */
const FLOOR_PX = 28;
const REFERENCE_INCH = 98;
const REFERENCE_M = 5;

export interface Layout {
  /** Type and rows are this much larger than drawn for the reference; never below 1. */
  type: number;
  alertRows: number;
  incidentRows: number;
  reportRows: number;
  sectorRows: number;
  /** Whether a sector's foot has room; another figure is worth more. */
  sectorFoot: boolean;
  /** Whether the sector rows have room for trend lines. */
  trends: boolean;
  /** The header has room for one line only, and leaves out rates, weather and the oldest feed. */
  compact: boolean;
}

export function layoutFor(query: URLSearchParams): Layout {
  const inch = positive(query.get('inch')) ?? REFERENCE_INCH;
  const distance = positive(query.get('dist')) ?? REFERENCE_M;
  const type = Math.min(2, Math.max(1, (REFERENCE_INCH / inch) * (distance / REFERENCE_M)));
  const rows = (space: number, row: number) => Math.max(1, Math.floor(space / (row * type) + 1e-6));
  return {
    type,
    alertRows: rows(640 - 44 * type, 84),
    incidentRows: rows(304 - 44 * type, 84),
    reportRows: rows(304 - 44 * type, 84),
    sectorRows: rows(309 - 6 - (type > 1 ? 40 : 80) * type, 74),
    sectorFoot: type === 1,
    trends: type < 1.25,
    compact: type > 1.1,
  };
}

/** The type floor in pixels of a 1920×1080 wall. */
export function floorPx(layout: Layout): number {
  return FLOOR_PX * layout.type;
}

function positive(text: string | null): number | null {
  const value = text === null ? NaN : Number(text);
  return Number.isFinite(value) && value > 0 ? value : null;
}

/** The whole picture moves a little every quarter of an hour, so that nothing burns in. In px of the 1920 wall. */
export function burnInShift(serverMs: number): [number, number] {
  const places: [number, number][] = [
    [0, 0],
    [2, 0],
    [2, 2],
    [0, 2],
    [-2, 2],
    [-2, 0],
    [-2, -2],
    [0, -2],
    [2, -2],
  ];
  return places[Math.floor(serverMs / (15 * 60_000)) % places.length] ?? [0, 0];
}
