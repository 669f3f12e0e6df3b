/** Web Mercator into a box of pixels: the same picture for the map, the labels over it, the inset and the fallback. */
export type LonLat = readonly [number, number];
export type Bounds = readonly [west: number, south: number, east: number, north: number];

export interface Projection {
  width: number;
  height: number;
  project(lon: number, lat: number): [number, number];
  /** Where MapLibre must look to show exactly this. */
  centre: [number, number];
  zoom: number;
}

const mercatorX = (lon: number) => (lon + 180) / 360;
const mercatorY = (lat: number) => {
  const sine = Math.sin((lat * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
};
const latitudeOf = (y: number) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

/** Fits `bounds` into the box with `padding` px on every side, keeping the shape. */
export function fit(bounds: Bounds, width: number, height: number, padding: number): Projection {
  const [west, south, east, north] = bounds;
  const x0 = mercatorX(west);
  const x1 = mercatorX(east);
  const y0 = mercatorY(north);
  const y1 = mercatorY(south);
  const scale = Math.min(
    (width - 2 * padding) / Math.max(x1 - x0, 1e-12),
    (height - 2 * padding) / Math.max(y1 - y0, 1e-12),
  );
  const cx = (x0 + x1) / 2;
  const cy = (y0 + y1) / 2;
  return {
    width,
    height,
    project: (lon, lat) => [
      width / 2 + (mercatorX(lon) - cx) * scale,
      height / 2 + (mercatorY(lat) - cy) * scale,
    ],
    centre: [cx * 360 - 180, latitudeOf(cy)],
    zoom: Math.log2(scale / 512),
  };
}
