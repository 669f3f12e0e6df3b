-- The books of ingest: what became of every offset of every partition of every log.

CREATE TABLE ledger (
    cluster            text NOT NULL,
    topic              text NOT NULL,
    generation         integer NOT NULL,
    partition          integer NOT NULL,
    epoch              bigint NOT NULL DEFAULT 0,
    first_offset       bigint NOT NULL,
    next_offset        bigint NOT NULL,
    stored             bigint NOT NULL DEFAULT 0,
    duplicate          bigint NOT NULL DEFAULT 0,
    late               bigint NOT NULL DEFAULT 0,
    dead               bigint NOT NULL DEFAULT 0,
    no_record          bigint NOT NULL DEFAULT 0,
    expired            bigint NOT NULL DEFAULT 0,
    readings_stored    bigint NOT NULL DEFAULT 0,
    readings_duplicate bigint NOT NULL DEFAULT 0,
    readings_conflict  bigint NOT NULL DEFAULT 0,
    last_timestamp     timestamptz,
    last_hash          bytea,
    owner              text,
    accepted_expired   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (cluster, topic, generation, partition),
    CONSTRAINT ledger_balances CHECK (
        next_offset - first_offset = stored + duplicate + late + dead + no_record + expired
    )
) WITH (fillfactor = 50);

CREATE TABLE dead_letter (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster      text,
    topic        text,
    generation   integer,
    partition    integer,
    first_offset bigint,
    next_offset  bigint,
    source       text NOT NULL,
    reason       text NOT NULL,
    detail       text NOT NULL,
    raw          bytea,
    headers      jsonb NOT NULL DEFAULT '[]',
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    replayed_at  timestamptz
);
CREATE INDEX dead_letter_at ON dead_letter (at);
CREATE INDEX dead_letter_reason ON dead_letter (reason, at);
CREATE INDEX dead_letter_offsets ON dead_letter (topic, partition, first_offset);
