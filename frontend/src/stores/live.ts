import type { ChannelSink } from '../protocol/channels';
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
 * The channel `live`: where each asset is, when it last spoke and what it said. Not reactive: thousands of assets change
 * a second, and the screen asks once a second.
 */
export class LiveStore implements ChannelSink {
  readonly assets = new Map<string, LiveAsset>();
  /** Rises when the set of assets changes. */
  revision = 0;
  private readonly bySeries = new Map<number, LiveAsset | null>();
  private readonly byName = new Map<string, number>();
  private readonly newest = new Map<number, ValueRow>();

  constructor(private readonly cadence: (sector: string, metric: string) => number | undefined) {}

  snapshot(message: Snapshot): void {
    const { series, values } = message as LiveSnapshot;
    this.assets.clear();
    this.bySeries.clear();
    this.byName.clear();
    this.newest.clear();
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

  /** The newest value of a series and its time in ms, if it was ever heard. */
  latest(sector: string, asset: string, metric: string): { time: number; value: number } | null {
    const row = this.newest.get(this.byName.get(`${sector}/${asset}/${metric}`) ?? -1);
    return row === undefined ? null : { time: row[1], value: row[2] };
  }

  private addSeries(rows: readonly SeriesRow[]): void {
    for (const [id, sector, name, metric, zone, lon, lat] of rows) {
      this.byName.set(`${sector}/${name}/${metric}`, id);
      if (lon === null || lat === null) {
        this.bySeries.set(id, null);
        continue;
      }
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
    for (const row of rows) {
      const [id, time] = row;
      const asset = this.bySeries.get(id);
      if (asset === undefined) continue;
      if (time >= (this.newest.get(id)?.[1] ?? 0)) this.newest.set(id, row);
      if (asset !== null && time > asset.newest) asset.newest = time;
    }
  }
}
