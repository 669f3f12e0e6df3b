-- Alerts: what is open and was, every transition with its gapless number, the rules and their versions.

CREATE TABLE alert (
    id uuid PRIMARY KEY,
    rule text NOT NULL,
    rule_version int NOT NULL,
    group_key text NOT NULL,
    sector text NOT NULL,
    asset text,
    zone text,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical', 'emergency')),
    state text NOT NULL CHECK (state IN ('unacknowledged', 'acknowledged', 'returned_unacknowledged', 'normal',
                                         'shelved', 'suppressed', 'out_of_service')),
    body jsonb NOT NULL,
    raised_at timestamptz NOT NULL,
    cleared_at timestamptz,
    updated_at timestamptz NOT NULL,
    seq bigint NOT NULL
);

-- One open alert for one cause.
CREATE UNIQUE INDEX alert_open ON alert (rule, group_key) WHERE cleared_at IS NULL;
-- What a screen shows: open, or cleared and not yet seen by anybody.
CREATE INDEX alert_shown ON alert (sector, raised_at) WHERE state <> 'normal';
CREATE INDEX alert_raised_at ON alert (raised_at DESC);

CREATE TABLE alert_history (
    seq bigint PRIMARY KEY,
    alert_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    event_time timestamptz NOT NULL,
    actor text,
    body jsonb NOT NULL
);

CREATE INDEX alert_history_alert ON alert_history (alert_id, seq);
CREATE INDEX alert_history_at ON alert_history (at);

-- The number of the newest transition; its row lock puts every writer of history in commit order.
CREATE TABLE alert_sequence (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq bigint NOT NULL
);

INSERT INTO alert_sequence (seq) VALUES (0);

-- How far the relay has copied history to city.alerts.
CREATE TABLE alert_relay (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    seq bigint NOT NULL
);

INSERT INTO alert_relay (seq) VALUES (0);

-- Every applied version of every rule. A version was in force from one revision of the rule set until another.
CREATE TABLE rule (
    name text NOT NULL,
    version int NOT NULL,
    body jsonb NOT NULL,
    source text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL,
    active boolean NOT NULL,
    from_revision bigint NOT NULL,
    until_revision bigint,
    PRIMARY KEY (name, version),
    CHECK (active = (until_revision IS NULL))
);

CREATE UNIQUE INDEX rule_active ON rule (name) WHERE active;

CREATE TABLE rule_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL
);

INSERT INTO rule_revision (revision) VALUES (0);
