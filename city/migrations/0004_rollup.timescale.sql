-- Readings by the minute and by the hour: continuous aggregates, united with what is not materialized yet.

CREATE MATERIALIZED VIEW reading_1m
    WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false)
    AS SELECT time_bucket('1 minute', time) AS bucket,
              series_id,
              count(*)           AS count,
              sum(value)         AS sum,
              min(value)         AS min,
              max(value)         AS max,
              first(value, time) AS first,
              last(value, time)  AS last
         FROM reading
        GROUP BY 1, 2
    WITH NO DATA;

CREATE MATERIALIZED VIEW reading_1h
    WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false)
    AS SELECT time_bucket('1 hour', bucket) AS bucket,
              series_id,
              sum(count)::bigint   AS count,
              sum(sum)             AS sum,
              min(min)             AS min,
              max(max)             AS max,
              first(first, bucket) AS first,
              last(last, bucket)   AS last
         FROM reading_1m
        GROUP BY 1, 2
    WITH NO DATA;

CREATE INDEX reading_1m_series_bucket ON reading_1m (series_id, bucket);
CREATE INDEX reading_1h_series_bucket ON reading_1h (series_id, bucket);

-- TimescaleDB notes by itself what was written; the same call does nothing here.
CREATE FUNCTION mark_dirty(series_ids integer[], first_us bigint[], last_us bigint[]) RETURNS void
    LANGUAGE sql
    AS $$ $$;

-- Where raw readings are whole and stay so for a day after `now_us`: aggregates before it are never made anew.
CREATE FUNCTION summable_from(now_us bigint, raw_retention_days integer) RETURNS timestamptz
    LANGUAGE sql STABLE
    RETURN (
        SELECT greatest(
                   raw_from,
                   date_bin(
                       '1 day',
                       from_us(now_us) - (raw_retention_days - 1) * interval '24 hours',
                       '1970-01-01 00:00:00+00'
                   )
               )
          FROM rollup_state
    );
