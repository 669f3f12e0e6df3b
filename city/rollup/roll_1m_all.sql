-- Raw readings of the given spans, summed up by the minute. Times are in µs.
INSERT INTO reading_1m_rolled AS rolled (bucket, series_id, count, sum, min, max, first, last)
SELECT found.bucket, series.id, found.count, found.sum, found.min, found.max, found.first, found.last
  FROM unnest($1::bigint[], $2::bigint[]) AS span (first, last)
 CROSS JOIN series
 CROSS JOIN LATERAL (
       SELECT date_bin('1 minute', time, '1970-01-01 00:00:00+00') AS bucket,
              count(*)                                AS count,
              sum(value)                              AS sum,
              min(value)                              AS min,
              max(value)                              AS max,
              (array_agg(value ORDER BY time))[1]      AS first,
              (array_agg(value ORDER BY time DESC))[1] AS last
         FROM reading
        WHERE reading.series_id = series.id AND time >= from_us(span.first) AND time < from_us(span.last)
        GROUP BY 1
       ) AS found
    ON CONFLICT (series_id, bucket) DO UPDATE
   SET count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max,
       first = excluded.first, last = excluded.last
 WHERE rolled.count <> excluded.count
