-- Raw readings of the given spans, of a series or (NULL) of every one, summed up by the minute. Times are in µs. Two spans
-- of one call must not have a bucket of a series in common.
INSERT INTO reading_1m_rolled AS rolled (bucket, series_id, count, sum, min, max, first, last)
SELECT found.bucket, one.id, found.count, found.sum, found.min, found.max, found.first, found.last
  FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS span (series_id, first, last)
 CROSS JOIN LATERAL (
       SELECT span.series_id AS id WHERE span.series_id IS NOT NULL
        UNION ALL
       SELECT id FROM series WHERE span.series_id IS NULL
       ) AS one
 CROSS JOIN LATERAL (
       SELECT date_bin('1 minute', time, '1970-01-01 00:00:00+00') AS bucket,
              count(*)                                AS count,
              sum(value)                              AS sum,
              min(value)                              AS min,
              max(value)                              AS max,
              (array_agg(value ORDER BY time))[1]      AS first,
              (array_agg(value ORDER BY time DESC))[1] AS last
         FROM reading
        WHERE reading.series_id = one.id AND time >= from_us(span.first) AND time < from_us(span.last)
        GROUP BY 1
       ) AS found
    ON CONFLICT (series_id, bucket) DO UPDATE
   SET count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
       first = excluded.first, last = excluded.last
 WHERE rolled.count <> excluded.count
