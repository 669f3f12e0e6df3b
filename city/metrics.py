"""Every Prometheus metric of every service, in one place; services import from here and define none of their own.

Names end in their unit; label values come from fixed sets (sectors, reasons, outcomes), never from what was published.
"""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets of what a person would feel: writes, deliveries, takeovers."""
TINY_SECONDS = (0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)
"""Buckets of pure computation: decode and engine steps."""
SLOW_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Buckets of what takes a while: takeover, recovery, migrations, rollups."""

# --- Kafka: every consumer of the project (group = ingest, alerts, …) --------------------------------------------

FETCHED_RECORDS = Counter("citywatch_fetched_records_total", "Records delivered by the broker", ["group", "topic"])
FETCHED_BYTES = Counter("citywatch_fetched_bytes_total", "Bytes of fetch responses, compressed", ["group"])
REFUSED_BATCHES = Counter(
    "citywatch_refused_batches_total", "Record batches refused whole: bomb, codec, checksum", ["group", "reason"]
)
PRODUCER_TIMED = Counter(
    "citywatch_producer_timed_batches_total",
    "Record batches on Apache Kafka with their producers' times: the topic is no longer LogAppendTime",
    ["group", "topic"],
)
FETCH_ERRORS = Counter("citywatch_fetch_errors_total", "Failed fetches by kind of error", ["group", "error"])
BROKER_CONNECTED = Gauge("citywatch_broker_connected", "1 while the broker answers this consumer", ["group"])
ASSIGNED_PARTITIONS = Gauge("citywatch_assigned_partitions", "Partitions owned by this member", ["group"])
PARTITIONS_AWAY = Gauge(
    "citywatch_partitions_away", "Assigned partitions that can't be read now, above all without a leader", ["group"]
)
REBALANCES = Counter("citywatch_rebalances_total", "Assignments that this member received", ["group"])

LAG = Gauge("citywatch_lag_records", "Last stable offset less the next offset to read", ["group", "topic", "partition"])

# --- Ingest ------------------------------------------------------------------------------------------------------

INGEST_OFFSETS = Counter(
    "citywatch_ingest_offsets_total",
    "Offsets by their one outcome: stored, duplicate, late, dead, no_record, expired",
    ["sector", "outcome"],
)
INGEST_READINGS = Counter(
    "citywatch_ingest_readings_total", "Readings by outcome: stored, duplicate, conflict", ["sector", "outcome"]
)
INGEST_REPORTS = Counter("citywatch_ingest_reports_total", "Reports stored or updated", ["sector"])
REFUSALS = Counter(
    "citywatch_refusals_total", "Events refused, by reason; door is kafka or http", ["door", "sector", "reason"]
)
DECODE_SECONDS = Histogram(
    "citywatch_decode_seconds", "Time to decode one batch of records", ["group"], buckets=TINY_SECONDS
)
WRITE_SECONDS = Histogram(
    "citywatch_write_seconds",
    "Time of one exactly-once transaction; path is copy or staging",
    ["path"],
    buckets=FAST_SECONDS,
)
WRITE_RETRIES = Counter("citywatch_write_retries_total", "Transactions tried again, by SQLSTATE", ["sqlstate"])
FENCED = Counter("citywatch_fenced_total", "Batches dropped because another owner had taken the partition", ["group"])
NEW_SERIES = Counter("citywatch_new_series_total", "Series allocated", ["sector"])
EVENT_AGE_SECONDS = Histogram(
    "citywatch_event_age_seconds",
    "Record time less event time of stored readings",
    ["sector"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400, 604800),
)
LIVE_FRAMES = Counter("citywatch_live_frames_total", "Frames of latest values sent to city.live")
LIVE_DROPPED = Counter("citywatch_live_dropped_total", "Latest values not sent because the broker was slow or away")
NOTICES_DROPPED = Counter(
    "citywatch_notices_dropped_total", "Dead letters that city.deadletters was not told of; the table has them"
)
LOST_RECORDS = Counter(
    "citywatch_lost_records_total",
    "Records known to be in a log that is gone, and never read; as known when its books were closed",
    ["sector"],
)
NEW_GENERATIONS = Counter(
    "citywatch_new_generations_total", "Logs found to be another log: broker emptied or topic created anew", ["topic"]
)

# --- Ownership: partitions, topics, leases -------------------------------------------------------------------------

TAKEOVERS = Counter(
    "citywatch_takeovers_total", "Ownership taken; ended is yes when a stuck session had to be ended", ["kind", "ended"]
)
TAKEOVER_SECONDS = Histogram(
    "citywatch_takeover_seconds", "From assignment to ownership in the database", ["kind"], buckets=SLOW_SECONDS
)
LEASE_HELD = Gauge("citywatch_lease_held", "1 while this process holds the lease", ["name"])
LEASE_LOST = Counter("citywatch_lease_lost_total", "Leases lost to another owner or to time", ["name"])

DATABASE_HANGS = Counter(
    "citywatch_database_hangs_total", "Commands that the database did not answer in time; their sessions were ended"
)

# --- Alerts --------------------------------------------------------------------------------------------------------

TRANSITIONS = Counter("citywatch_alert_transitions_total", "Alert transitions", ["sector", "kind", "severity"])
OPEN_ALERTS = Gauge("citywatch_open_alerts", "Alerts open now", ["sector", "severity"])
ENGINE_STEP_SECONDS = Histogram(
    "citywatch_engine_step_seconds", "Time of one engine step", ["sector"], buckets=TINY_SECONDS
)
ENGINE_RECORDS = Counter("citywatch_engine_records_total", "Readings that the engine evaluated", ["sector"])
ENGINE_SERIES = Gauge("citywatch_engine_series", "Series with engine state", ["sector"])
ENGINE_BEHIND_SECONDS = Gauge(
    "citywatch_engine_behind_seconds",
    "As center knows it: how long ago everything in the sector's log had been judged by the rules",
    ["sector"],
)
ENGINE_SILENT_SECONDS = Gauge(
    "citywatch_engine_silent_seconds",
    "As center knows it: how long the sector's alert worker has said nothing; beyond 12 its alerts are stalled",
    ["sector"],
)
RULES_ACTIVE = Gauge("citywatch_rules_active", "Rules in force", ["sector"])
JOURNAL_STEPS = Counter("citywatch_journal_steps_total", "Engine steps journalled", ["sector"])
JOURNAL_SECONDS = Histogram(
    "citywatch_journal_seconds", "Time to commit transitions and journal steps", ["sector"], buckets=FAST_SECONDS
)
SNAPSHOT_SECONDS = Histogram(
    "citywatch_snapshot_seconds", "Time to write a full engine snapshot, off the path", ["sector"], buckets=SLOW_SECONDS
)
SNAPSHOT_STALL_SECONDS = Histogram(
    "citywatch_snapshot_stall_seconds", "How long a snapshot kept the engine waiting", ["sector"], buckets=TINY_SECONDS
)
SNAPSHOT_BYTES = Gauge("citywatch_snapshot_bytes", "Size of the last engine snapshot", ["sector"])
RECOVERY_SECONDS = Histogram(
    "citywatch_recovery_seconds",
    "From assignment to live; way is journal, tables or fresh",
    ["sector", "way"],
    buckets=SLOW_SECONDS,
)
RELAYED = Counter("citywatch_relayed_total", "Transitions copied from history to city.alerts")
RELAY_LAG = Gauge("citywatch_relay_lag", "Newest seq of history less the last one relayed")

INCIDENTS_SEQ = Gauge("citywatch_incidents_seq", "Transition up to which alerts are grouped into incidents")
ALARMS_PER_HOUR = Gauge("citywatch_alarms_per_hour", "Alarms an hour over the span (ISA-18.2: 6, at most 12)", ["span"])
ALARMS_PEAK = Gauge("citywatch_alarms_peak_10min", "The most alarms in any ten minutes of the span", ["span"])
ALARMS_FLOODED = Gauge("citywatch_alarms_flood_ratio", "Part of the span in flood (ISA-18.2: under 0.01)", ["span"])
ALARMS_CHATTERING = Gauge("citywatch_alarms_chattering", "Causes raised three times within a minute", ["span"])
ALARMS_STALE = Gauge("citywatch_alarms_stale", "Alarms open for more than 24 hours (ISA-18.2: under 5)", ["span"])
ALARMS_SPLIT = Gauge(
    "citywatch_alarms_severity_ratio", "Part of the span's alarms (EEMUA 191: 0.8, 0.15, 0.05)", ["span", "severity"]
)
ALARM_HEALTH = (ALARMS_PER_HOUR, ALARMS_PEAK, ALARMS_FLOODED, ALARMS_CHATTERING, ALARMS_STALE, ALARMS_SPLIT)
"""Set by the one alert worker that holds the lease of alarm health."""

# --- Center --------------------------------------------------------------------------------------------------------

CLIENTS = Gauge("citywatch_clients", "Open WebSocket connections")
CLIENTS_BEHIND = Gauge("citywatch_clients_behind", "Connections whose buffer is full now: they take nothing")
CLIENTS_STALLED = Counter("citywatch_clients_stalled_total", "Connections ended because they took nothing for too long")
SUBSCRIPTIONS = Gauge("citywatch_subscriptions", "Subscriptions", ["channel"])
FRAMES = Counter("citywatch_frames_total", "WebSocket frames sent", ["channel", "type"])
FRAME_BYTES = Counter("citywatch_frame_bytes_total", "Bytes of WebSocket frames sent", ["channel"])
CONFLATED = Counter("citywatch_conflated_total", "Frames that stood for several because their client was slow")
QUEUE_DROPS = Counter("citywatch_queue_drops_total", "Alert queues given up for a gap and a snapshot")
GAPS = Counter("citywatch_gaps_total", "Gaps told to clients; cause is slow, epoch, too_old", ["channel", "cause"])
LIVE_UNREADABLE = Counter("citywatch_live_unreadable_total", "Rows of city.live that were no readings, dropped")
FOLLOW_SECONDS = Histogram(
    "citywatch_follow_seconds",
    "From a transition's commit until every client that keeps up was sent it",
    buckets=FAST_SECONDS,
)
FOLLOW_SEQ = Gauge("citywatch_follow_seq", "Newest seq of history that this process has delivered")
SCREENS = Gauge("citywatch_screens", "Screens that tell what they painted; silent: a hung one, or gone", ["state"])
SOCKET_REFUSED = Counter(
    "citywatch_socket_refused_total",
    "WebSocket connections refused: too_many, not_loaded, wrong_host, wrong_origin, sign_in_required, not_allowed, "
    "insecure_transport",
    ["reason"],
)
SOCKET_ENDED = Counter(
    "citywatch_socket_ended_total", "Open WebSocket connections ended: signed_out, rights_changed", ["reason"]
)
SIGN_INS = Counter(
    "citywatch_sign_ins_total",
    "Sign-ins by way (local, oidc, pairing, link) and outcome: done, refused, locked, too_many",
    ["way", "outcome"],
)
DENIED = Counter(
    "citywatch_denied_total", "Requests denied: sign_in_required, not_allowed, insecure_transport, …", ["code"]
)
SOCKET_ERRORS = Counter(
    "citywatch_socket_errors_total", "Messages of clients that were answered by an error, by its code", ["code"]
)
HTTP_SECONDS = Histogram(
    "citywatch_http_seconds", "Time of HTTP requests", ["method", "route", "status"], buckets=FAST_SECONDS
)
HTTP_ROOM_BYTES = Gauge("citywatch_http_room_bytes", "Bytes of events at the HTTP door that are in hand now")
HTTP_EVENTS = Counter("citywatch_http_events_total", "Events at the HTTP door: taken, refused, unknown", ["outcome"])

# --- Rollup and maintenance of plain PostgreSQL ----------------------------------------------------------------------

ROLLUP_SECONDS = Histogram("citywatch_rollup_seconds", "Time of one rollup round", ["level"], buckets=SLOW_SECONDS)
ROLLUP_QUEUE = Gauge("citywatch_rollup_queue", "Dirty ranges that the last rollup round left waiting")
RETENTION_DROPPED = Counter("citywatch_retention_dropped_total", "Days or chunks erased by retention", ["table"])

RETENTION_ROWS = Counter(
    "citywatch_retention_rows_total", "Dead letters and conflicts erased by their retention", ["table"]
)

# --- Simulation ------------------------------------------------------------------------------------------------------

SIMULATED_EVENTS = Counter("citywatch_simulated_events_total", "Events published by the simulator", ["sector"])


def serve_metrics(port: int, host: str = "0.0.0.0", registry: CollectorRegistry = REGISTRY) -> int:
    """Serve /metrics from a thread of its own; 0 serves nothing. Returns the port.

    Raises:
        OSError: the port is taken.
    """
    if port:
        start_http_server(port, addr=host, registry=registry)
    return port
