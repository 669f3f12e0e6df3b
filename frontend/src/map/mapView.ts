import type { Feature } from 'geojson';
import {
  Map as MapLibreMap,
  setWorkerUrl,
  type GeoJSONFeatureDiff,
  type GeoJSONSource,
  type StyleSpecification,
} from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import { palette, zoneFill } from '../colour';
import type { Alarm } from '../severity';
import type { Projection } from './projection';
import type { ZoneMap } from './zones';

// From our own address, so that a policy without blob: or eval is enough.
setWorkerUrl(workerUrl);

const SOURCE = 'city';
/** Every change is drawn once for each tile it touches: two tiles, not nine. */
const TILE_ZOOM = 8;
/** A lost picture that does not come back by itself in this time is drawn anew. */
const RECOVERY_MS = 5_000;

/**
 * The main map: the zones. Severities are feature state, silence is a diff; nothing is ever loaded twice. It shows one
 * fixed piece of the city and never moves by itself. Each change draws all of it anew, which without a graphics card
 * holds up whatever else the page has to show: the assets have a layer of their own.
 */
export class MapView {
  private readonly map: MapLibreMap;
  private readonly tones = new Map<string, Alarm | ''>();
  private readonly silentZones = new Set<string>();
  private recovery: ReturnType<typeof setTimeout> | undefined;

  /** @param ready called when the first picture is complete; nothing may be set before.
   *  @param failed called once when WebGL is lost for good, or was never there (then the constructor throws). */
  constructor(
    private readonly container: HTMLElement,
    zones: ZoneMap,
    private readonly projection: Projection,
    ready: () => void,
    failed: () => void,
  ) {
    this.map = new MapLibreMap({
      container,
      style: style(zones),
      center: projection.centre,
      zoom: this.zoom(),
      minZoom: 0,
      interactive: false,
      attributionControl: false,
      fadeDuration: 0,
      renderWorldCopies: false,
      trackResize: false,
      refreshExpiredTiles: false,
    });
    this.map.once('style.load', () => this.map.addImage('hatch', hatch()));
    this.map.once('load', ready);
    this.map.on('webglcontextlost', () => {
      this.recovery = setTimeout(failed, RECOVERY_MS);
    });
    this.map.on('idle', () => clearTimeout(this.recovery));
  }

  /** Where `project` puts a place, the map puts it too, at any size of the container. */
  private zoom(): number {
    return this.projection.zoom + Math.log2(Math.max(1, this.container.clientWidth) / this.projection.width);
  }

  resize(): void {
    this.map.resize();
    this.map.jumpTo({ center: this.projection.centre, zoom: this.zoom() });
  }

  /** Colours zones by the worst alert in each; only what changed is told to the map. */
  setTones(tones: ReadonlyMap<string, Alarm | ''>): void {
    for (const code of new Set([...this.tones.keys(), ...tones.keys()])) {
      const tone = tones.get(code) ?? '';
      if ((this.tones.get(code) ?? '') === tone) continue;
      this.map.setFeatureState({ source: SOURCE, id: code }, { tone });
      this.tones.set(code, tone);
    }
  }

  /** Zones of which nothing is heard. */
  setSilent(zones: ReadonlySet<string>): void {
    const update: GeoJSONFeatureDiff[] = [];
    for (const code of this.silentZones.symmetricDifference(zones)) {
      const silent = zones.has(code);
      update.push({ id: code, addOrUpdateProperties: [{ key: 'silent', value: silent }] });
      if (silent) this.silentZones.add(code);
      else this.silentZones.delete(code);
    }
    if (update.length > 0) void this.map.getSource<GeoJSONSource>(SOURCE)?.updateData({ update });
  }

  destroy(): void {
    clearTimeout(this.recovery);
    this.map.remove();
  }
}

function style({ zones }: ZoneMap): StyleSpecification {
  const features: Feature[] = zones.map((zone) => ({
    type: 'Feature',
    properties: { id: zone.code, silent: false },
    geometry: { type: 'MultiPolygon', coordinates: zone.polygons },
  }));
  const byTone = <T>(normal: T, warning: T, critical: T, emergency: T) =>
    [
      'match',
      ['coalesce', ['feature-state', 'tone'], ''],
      'warning',
      warning,
      'critical',
      critical,
      'emergency',
      emergency,
      normal,
    ] as unknown as T;
  return {
    version: 8,
    sources: {
      [SOURCE]: {
        type: 'geojson',
        promoteId: 'id',
        data: { type: 'FeatureCollection', features },
        maxzoom: TILE_ZOOM,
        tolerance: 0.05,
      },
    },
    layers: [
      { id: 'sea', type: 'background', paint: { 'background-color': palette.sea } },
      {
        id: 'zones',
        type: 'fill',
        source: SOURCE,
        paint: {
          'fill-color': byTone<string>(zoneFill[''], zoneFill.warning, zoneFill.critical, zoneFill.emergency),
          'fill-antialias': false,
        },
      },
      {
        id: 'silent-zones',
        type: 'fill',
        source: SOURCE,
        filter: ['==', ['get', 'silent'], true],
        paint: { 'fill-pattern': 'hatch' },
      },
      {
        id: 'borders',
        type: 'line',
        source: SOURCE,
        paint: { 'line-color': palette.border, 'line-width': 1.1 },
      },
      {
        id: 'abnormal-borders',
        type: 'line',
        source: SOURCE,
        paint: {
          'line-color': byTone<string>(palette.border, palette.warning, palette.critical, palette.emergency),
          'line-width': byTone(0, 2, 2.4, 2.8),
          'line-opacity': byTone(0, 1, 1, 1),
        },
      },
    ],
  };
}

function drawn(size: number, draw: (context: CanvasRenderingContext2D) => void): ImageData {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const context = canvas.getContext('2d');
  if (context === null) return new ImageData(size, size);
  draw(context);
  return context.getImageData(0, 0, size, size);
}

/** Diagonals that meet at the edges of the tile. */
function hatch(): ImageData {
  return drawn(16, (context) => {
    context.strokeStyle = '#6b757f';
    context.lineWidth = 3;
    for (const shift of [-16, 0, 16]) {
      context.moveTo(shift, 16);
      context.lineTo(shift + 16, 0);
    }
    context.stroke();
  });
}
