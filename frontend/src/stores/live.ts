import type { ChannelSink } from '../protocol/client';
import type { Delta, LiveDelta, LiveSnapshot, SeriesRow, Snapshot, ValueRow } from '../protocol/messages';

export interface LiveAsset {
  key: string;
  sector: string;
  zone: string | null;
  lon: number;
  lat: number;
  /** Time (ms) of the newest reading of any of its series; 0 before the first. */
  newest: number;
  /** The shortest cadence of its metrics, in seconds. */
  cadenceS: number;
}

/** A metric that the catalogue does not name: judged like one that reports each minute. */
const UNKNOWN_CADENCE_S = 60;

/**
 * The channel `live`: where each asset is and when it last spoke. Not reactive: thousands of assets change a second, and
 * the map asks once a second. Series names are kept once an asset, values not at all: no part of the wall shows them.
 */
export class LiveStore implements ChannelSink {
  readonly assets = new Map<string, LiveAsset>();
  /** Rises when the set of assets changes. */
  revision = 0;
  private readonly bySeries = new Map<number, LiveAsset>();

  constructor(private readonly cadence: (sector: string, metric: string) => number | undefined) {}

  snapshot(message: Snapshot): void {
    const { series, values } = message as LiveSnapshot;
    this.assets.clear();
    this.bySeries.clear();
    this.revision++;
    this.addSeries(series);
    this.addValues(values);
  }

  delta(message: Delta): void {
    const { series, values } = message as LiveDelta;
    if (series) this.addSeries(series);
    this.addValues(values);
  }

  gap(): void {
    // The next snapshot begins anew.
  }

  private addSeries(rows: readonly SeriesRow[]): void {
    for (const [id, sector, name, metric, zone, lon, lat] of rows) {
      if (lon === null || lat === null) continue;
      const key = `${sector}/${name}`;
      const cadenceS = this.cadence(sector, metric) ?? UNKNOWN_CADENCE_S;
      let asset = this.assets.get(key);
      if (asset === undefined) {
        asset = { key, sector, zone, lon, lat, newest: 0, cadenceS };
        this.assets.set(key, asset);
        this.revision++;
      }
      asset.cadenceS = Math.min(asset.cadenceS, cadenceS);
      this.bySeries.set(id, asset);
    }
  }

  private addValues(rows: readonly ValueRow[]): void {
    for (const [id, time] of rows) {
      const asset = this.bySeries.get(id);
      if (asset !== undefined && time > asset.newest) asset.newest = time;
    }
  }
}
