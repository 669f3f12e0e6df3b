-- Where a batch with known readings waits to be compared with them; the session's own, empty in every transaction.
CREATE TEMP TABLE IF NOT EXISTS staging (
    time      timestamptz NOT NULL,
    series_id integer NOT NULL,
    value     double precision NOT NULL,
    position  integer NOT NULL,
    first     boolean NOT NULL
) ON COMMIT DELETE ROWS
