/** The JSON of citywatch.v1, as center sends it. Times are RFC 3339 UTC unless a name says otherwise. */

export type Severity = 'info' | 'warning' | 'critical' | 'emergency';
export type AlertState =
  | 'unacknowledged'
  | 'acknowledged'
  | 'returned_unacknowledged'
  | 'normal'
  | 'shelved'
  | 'suppressed'
  | 'out_of_service';

export interface Bilingual {
  vi: string;
  en: string;
}

/** Where nobody wants to hear an alert any more. */
export interface Silenced {
  position: string;
  by: string;
  at: string;
}

/** Why an alert is not shown among the others; `until` null: until somebody ends it. */
export interface Hidden {
  /** Of the shelf or of the maintenance window. */
  id: string;
  why: string;
  by: string;
  since: string;
  until: string | null;
}

export interface Alert {
  id: string;
  /** Of its last transition; an act names the one that was seen. */
  seq: number;
  rule: string;
  rule_version: number;
  group: string;
  sector: string;
  asset: string | null;
  zone: string | null;
  zone_name: Bilingual | null;
  location: [number, number] | null;
  /** Usually a `Severity`; an unknown word is shown as such and sorted as critical. */
  severity: string;
  state: AlertState;
  title: Bilingual;
  short: Bilingual;
  metric: string;
  unit: string;
  value: number | null;
  limit: number | null;
  comparison: string;
  /** The readings' own time; of a source whose clock is ahead it lies ahead too. Ages count from `sinceOf`. */
  raised_at: string;
  /** When its raising was committed; older versions of center did not say. */
  recorded_at?: string | null;
  updated_at: string;
  cleared_at: string | null;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  owner: string | null;
  /** Null: the owner was given it and has not answered yet. */
  accepted_at: string | null;
  silenced: Silenced[];
  comments: number;
  hidden: Hidden | null;
  last_data_at: string | null;
  consequence: Bilingual | null;
  response: Bilingual[] | null;
  respond_within_s: number | null;
  team: string | null;
}

/** [time in ms, value] */
export type TrendPoint = [number, number];

export interface Figure {
  metric: string;
  label: Bilingual;
  unit: string;
  decimals: number;
  value: number | null;
  time: string | null;
  cadence_s: number;
  trend: TrendPoint[];
  last_week: TrendPoint[];
  severity: string | null;
}

/** Where a sector stands worst, and the value there now. Without `unit` and `decimals` the metric's own hold. */
export interface WorstPlace {
  zone: string | null;
  name: Bilingual | null;
  metric: string | null;
  value: number | null;
  unit?: string | null;
  decimals?: number | null;
}

/** A sector whose alerts can't be relied on: nobody evaluates its rules, or they catch up. */
export interface EngineLate {
  sector: string;
  state: 'stalled' | 'behind';
  /** What was published after it may not have been judged; null: nothing ever was. */
  since: string | null;
}

export interface SectorState {
  sector: string;
  title: Bilingual;
  figures: Figure[];
  assets_alive: number;
  assets_total: number;
  worst: WorstPlace | null;
  feed: { newest: string | null; age_s: number | null; max_s: number | null; dead: boolean };
}

export interface CityReport {
  id: number | string;
  sector: string;
  source: string;
  subject: string;
  category: string;
  severity: string | null;
  title: string;
  description: string | null;
  status: string;
  zone: string | null;
  zone_name: Bilingual | null;
  location: [number, number] | null;
  time: string;
}

/** What probably has one cause, as center groups it; some of its alerts may be over. */
export interface CityIncident {
  id: string;
  first_out: string;
  sectors: string[];
  zones: string[];
  opened_at: string;
  alerts: string[];
  reports: number;
}

export interface CityState {
  /** Oldest first. */
  incidents: CityIncident[];
  /** A flood of alarms that lasts. */
  flood: { since: string } | null;
  city: { name: Bilingual; timezone: string };
  stage: { level: number; name: Bilingual; since: string | null; by?: string | null };
  /** Older versions of center do not say. */
  engine_late?: EngineLate[];
  sectors: SectorState[];
  reports: CityReport[];
  reports_today: number;
  statistics: { alarms_hour: number; alarms_10min: number };
  simulated: boolean;
}

/** [series id, sector, asset, metric, zone, longitude, latitude] */
export type SeriesRow = [number, string, string, string, string | null, number | null, number | null];
/** [series id, time in ms, value] */
export type ValueRow = [number, number, number];

export type ChannelName = 'alerts' | 'live' | 'city';

interface Sequenced {
  seq: number;
}
export type AlertsSnapshot = Sequenced & { type: 'snapshot'; channel: 'alerts'; alerts: Alert[] };
export type AlertsDelta = Sequenced & {
  type: 'delta';
  channel: 'alerts';
  prev: number;
  kind: string;
  at: string;
  alert: Alert;
};
export type LiveSnapshot = Sequenced & { type: 'snapshot'; channel: 'live'; series: SeriesRow[]; values: ValueRow[] };
export type LiveDelta = Sequenced & {
  type: 'delta';
  channel: 'live';
  prev: number;
  values: ValueRow[];
  series?: SeriesRow[];
};
export type CitySnapshot = Sequenced & { type: 'snapshot'; channel: 'city' } & CityState;
/** A figure of a delta may leave its lines out: those it had still hold. */
export type FigureChange = Omit<Figure, 'trend' | 'last_week'> & Partial<Pick<Figure, 'trend' | 'last_week'>>;
export type SectorChange = Omit<SectorState, 'figures'> & { figures: FigureChange[] };
export type CityChange = Partial<Omit<CityState, 'sectors'>> & { sectors?: SectorChange[] };
export type CityDelta = Sequenced & { type: 'delta'; channel: 'city'; prev: number } & CityChange;

export type Snapshot = AlertsSnapshot | LiveSnapshot | CitySnapshot;
export type Delta = AlertsDelta | LiveDelta | CityDelta;
export type ServerMessage =
  | { type: 'hello'; server_time: string; epoch: string; heartbeat_s: number; version: string }
  | { type: 'heartbeat'; server_time: string; alerts_through: number; engine_through?: string | null }
  | { type: 'gap'; channel: ChannelName; from: number; to: number }
  | { type: 'restarting'; in_s: number }
  | { type: 'error'; code: string; message: string }
  | Snapshot
  | Delta;

export type ClientMessage =
  | { type: 'subscribe'; channel: ChannelName; since?: number; epoch?: string }
  | { type: 'unsubscribe'; channel: ChannelName }
  | { type: 'painted'; seq: number; screen?: string };
