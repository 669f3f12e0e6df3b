import type { Feature, FeatureCollection, MultiPolygon, Polygon, Position } from 'geojson';
import type { Bounds, Projection } from './projection';

/** A zone as the map needs it. */
export interface ZoneShape {
  code: string;
  name: string;
  core: boolean;
  /** An island so far away that one picture of the whole city would be mostly sea. */
  far: boolean;
  polygons: Position[][][];
  bounds: Bounds;
}

export interface ZoneMap {
  zones: ZoneShape[];
  schematic: boolean;
  core: Bounds;
  mainland: Bounds;
  islands: Bounds;
}

type ZoneFeature = Feature<Polygon | MultiPolygon, Record<string, unknown>>;

/** Reads /api/v1/zones.geojson; features without a code or an area are left out. */
export function readZones(collection: FeatureCollection & { schematic?: boolean }): ZoneMap {
  const zones: ZoneShape[] = [];
  for (const feature of collection.features) {
    const { geometry } = feature;
    if (geometry === null || (geometry.type !== 'Polygon' && geometry.type !== 'MultiPolygon')) continue;
    const properties = (feature as ZoneFeature).properties ?? {};
    const code = properties['code'] ?? feature.id;
    if (typeof code !== 'string' && typeof code !== 'number') continue;
    const polygons = geometry.type === 'Polygon' ? [geometry.coordinates] : geometry.coordinates;
    const name = properties['name'];
    zones.push({
      code: String(code),
      name: typeof name === 'string' ? name : ((name as { vi?: string } | undefined)?.vi ?? ''),
      core: properties['core'] === true,
      far: false,
      polygons,
      bounds: boundsOf(polygons.flat(2)),
    });
  }
  markFar(zones);
  const core = zones.filter((zone) => zone.core);
  const schematic =
    collection.schematic === true ||
    (collection as { properties?: { schematic?: boolean } }).properties?.schematic === true;
  return {
    zones,
    schematic,
    core: union((core.length > 0 ? core : zones).map((zone) => zone.bounds)),
    mainland: union(zones.filter((zone) => !zone.far).map((zone) => zone.bounds)),
    islands: union(zones.filter((zone) => zone.far).map((zone) => zone.bounds)),
  };
}

/** Far = more than six times as distant from the middle as half of the zones are. */
function markFar(zones: ZoneShape[]): void {
  const middle = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const at = zones.map(({ bounds }) => [(bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2] as const);
  const lon = middle(at.map(([x]) => x));
  const lat = middle(at.map(([, y]) => y));
  const distances = at.map(([x, y]) => Math.hypot(x - lon, y - lat));
  const limit = 6 * middle([...distances]);
  zones.forEach((zone, i) => (zone.far = (distances[i] ?? 0) > limit));
}

function boundsOf(points: readonly Position[]): Bounds {
  let [west, south, east, north] = [180, 90, -180, -90];
  for (const [lon = 0, lat = 0] of points) {
    west = Math.min(west, lon);
    east = Math.max(east, lon);
    south = Math.min(south, lat);
    north = Math.max(north, lat);
  }
  return [west, south, east, north];
}

function union(all: readonly Bounds[]): Bounds {
  return all.reduce<Bounds>(
    (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])],
    [180, 90, -180, -90],
  );
}

/** A zone as an SVG path; points closer than `detail` px to the last one are skipped. */
export function zonePath(zone: ZoneShape, projection: Projection, detail: number): string {
  let d = '';
  for (const polygon of zone.polygons) {
    for (const ring of polygon) {
      let [px, py] = [NaN, NaN];
      for (const [lon = 0, lat = 0] of ring) {
        const [x, y] = projection.project(lon, lat);
        if (Math.hypot(x - px, y - py) < detail) continue;
        d += `${Number.isNaN(px) ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
        [px, py] = [x, y];
      }
      d += 'Z';
    }
  }
  return d;
}
