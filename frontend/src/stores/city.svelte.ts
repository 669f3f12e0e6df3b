import type { ChannelSink } from '../protocol/channels';
import type {
  CityChange,
  CityDelta,
  CityIncident,
  CityReport,
  CitySnapshot,
  CityState,
  Delta,
  EngineLate,
  SectorChange,
  SectorState,
  Snapshot,
} from '../protocol/messages';
import { HOME_TIMEZONE } from '../text/format';

/** The channel `city`: sectors with their key figures, operating stage, incidents, newest reports, statistics. */
export class CityStore implements ChannelSink {
  ready = $state(false);
  city = $state.raw<CityState['city']>({ name: { vi: '', en: '' }, timezone: HOME_TIMEZONE });
  stage = $state.raw<CityState['stage'] | null>(null);
  engineLate = $state.raw<readonly EngineLate[]>([]);
  sectors = $state.raw<ReadonlyMap<string, SectorState>>(new Map());
  reports = $state.raw<readonly CityReport[]>([]);
  incidents = $state.raw<readonly CityIncident[]>([]);
  flood = $state.raw<CityState['flood']>(null);
  reportsToday = $state(0);
  statistics = $state.raw<CityState['statistics']>({ alarms_hour: 0, alarms_10min: 0 });
  simulated = $state(false);

  snapshot(message: Snapshot): void {
    this.sectors = new Map();
    this.engineLate = [];
    this.take(message as CitySnapshot);
    this.ready = true;
  }

  delta(message: Delta): void {
    this.take(message as CityDelta);
  }

  gap(): void {
    // A snapshot follows and says everything again: nothing of this channel is history.
  }

  private take(state: CityChange): void {
    if (state.city) this.city = state.city;
    if (state.stage) this.stage = state.stage;
    if (state.engine_late) this.engineLate = state.engine_late;
    if (state.sectors) {
      this.sectors = new Map([
        ...this.sectors,
        ...state.sectors.map((next): [string, SectorState] => [next.sector, merged(this.sectors.get(next.sector), next)]),
      ]);
    }
    if (state.incidents) this.incidents = state.incidents;
    if (state.flood !== undefined) this.flood = state.flood;
    if (state.reports) this.reports = state.reports;
    if (state.reports_today !== undefined) this.reportsToday = state.reports_today;
    if (state.statistics) this.statistics = state.statistics;
    if (state.simulated !== undefined) this.simulated = state.simulated;
  }
}

/** A figure that comes without its lines keeps those it had: they change once a minute and are sent only then. */
function merged(before: SectorState | undefined, change: SectorChange): SectorState {
  const figures = change.figures.map((figure) => {
    const old = before?.figures.find((f) => f.metric === figure.metric);
    return { ...figure, trend: figure.trend ?? old?.trend ?? [], last_week: figure.last_week ?? old?.last_week ?? [] };
  });
  return { ...change, figures };
}
