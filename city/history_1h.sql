-- Readings by the hour of some series in [$2, $3) µs, in buckets of $4; a bucket's time is its start.
SELECT series_id, to_us(time) AS time, sum / count AS mean, min, max, count
  FROM (SELECT series_id,
               date_bin($4::interval, bucket, '1970-01-01 00:00:00+00') AS time,
               sum(sum)           AS sum,
               min(min)           AS min,
               max(max)           AS max,
               sum(count)::bigint AS count
          FROM reading_1h
         WHERE series_id = ANY($1::integer[]) AND bucket >= from_us($2) AND bucket < from_us($3)
         GROUP BY 1, 2) AS bucket
 ORDER BY series_id, time
