-- What an alert worker needs to go on where another stopped.

-- Which worker evaluates a sector: its epoch is checked in every commit; `step` is the last journalled step.
CREATE TABLE alert_owner (
    sector text PRIMARY KEY,
    epoch bigint NOT NULL,
    owner text NOT NULL,
    taken_at timestamptz NOT NULL,
    step bigint NOT NULL DEFAULT 0
);

-- Steps first_step … step of a sector's engine, enough to take them again exactly (MessagePack, see alerts/journal.py).
CREATE TABLE engine_journal (
    sector text NOT NULL,
    step bigint NOT NULL,
    first_step bigint NOT NULL,
    epoch bigint NOT NULL,
    transitions int NOT NULL,
    body bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (sector, step),
    CHECK (first_step <= step)
);

-- The engine's whole state after a step, with the versions that can read it and the place in the log.
CREATE TABLE engine_snapshot (
    sector text NOT NULL,
    step bigint NOT NULL,
    epoch bigint NOT NULL,
    place bytea NOT NULL,
    state bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (sector, step)
);

ALTER TABLE engine_snapshot ALTER COLUMN state SET STORAGE EXTERNAL;
