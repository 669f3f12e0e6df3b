-- Readings by the minute and by the hour: tables that a job keeps, united with the tail that it has not reached yet.

CREATE TABLE reading_1m_rolled (
    bucket    timestamptz NOT NULL,
    series_id integer NOT NULL,
    count     bigint NOT NULL,
    sum       double precision NOT NULL,
    min       double precision NOT NULL,
    max       double precision NOT NULL,
    first     double precision NOT NULL,
    last      double precision NOT NULL,
    PRIMARY KEY (series_id, bucket)
);

CREATE TABLE reading_1h_rolled (LIKE reading_1m_rolled INCLUDING ALL);

-- Ranges of event time whose readings were written since they were last summed up; no series means every series.
CREATE TABLE rollup_dirty (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_id integer,
    first     timestamptz NOT NULL,
    last      timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Called in the transaction that writes the readings, so that they and their mark are seen together.
CREATE FUNCTION mark_dirty(series_ids integer[], first_us bigint[], last_us bigint[]) RETURNS void
    LANGUAGE sql
    AS $$
        INSERT INTO rollup_dirty (series_id, first, last)
        SELECT series_id, from_us(first), from_us(last)
          FROM unnest(series_ids, first_us, last_us) AS mark (series_id, first, last)
    $$;

CREATE VIEW reading_1m AS
    SELECT bucket, series_id, count, sum, min, max, first, last
      FROM reading_1m_rolled
     UNION ALL
    SELECT date_bin('1 minute', time, '1970-01-01 00:00:00+00'),
           series_id,
           count(*),
           sum(value),
           min(value),
           max(value),
           (array_agg(value ORDER BY time))[1],
           (array_agg(value ORDER BY time DESC))[1]
      FROM reading
     WHERE time >= (SELECT rolled_before FROM rollup_state)
     GROUP BY 1, 2;

CREATE VIEW reading_1h AS
    SELECT bucket, series_id, count, sum, min, max, first, last
      FROM reading_1h_rolled
     UNION ALL
    SELECT date_bin('1 hour', bucket, '1970-01-01 00:00:00+00'),
           series_id,
           sum(count)::bigint,
           sum(sum),
           min(min),
           max(max),
           (array_agg(first ORDER BY bucket))[1],
           (array_agg(last ORDER BY bucket DESC))[1]
      FROM reading_1m
     WHERE bucket >= (SELECT date_bin('1 hour', rolled_before, '1970-01-01 00:00:00+00') FROM rollup_state)
     GROUP BY 1, 2;
