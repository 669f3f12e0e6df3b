-- Raw readings of some series in [$2, $3) µs, in buckets of $4; a bucket's time is that of its first reading.
SELECT series_id, to_us(time) AS time, mean, min, max, count
  FROM (SELECT series_id,
               min(time)  AS time,
               avg(value) AS mean,
               min(value) AS min,
               max(value) AS max,
               count(*)   AS count
          FROM reading
         WHERE series_id = ANY($1::integer[]) AND time >= from_us($2) AND time < from_us($3)
         GROUP BY series_id, date_bin($4::interval, time, '1970-01-01 00:00:00+00')) AS bucket
 ORDER BY series_id, time
