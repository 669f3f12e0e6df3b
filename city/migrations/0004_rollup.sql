-- How far the readings are summed up and how far back raw ones are kept; one row, moved only under a lease.
--   rolled_before  plain store: the aggregates hold everything before it, but for ranges in rollup_dirty
--   raw_from       raw readings before it may be gone: nothing before it is ever summed up again

CREATE TABLE rollup_state (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    rolled_before timestamptz NOT NULL,
    raw_from      timestamptz NOT NULL
);
INSERT INTO rollup_state (rolled_before, raw_from) VALUES ('1970-01-01 00:00:00+00', '1970-01-01 00:00:00+00');
