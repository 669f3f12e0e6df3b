-- The newest reading of every series since $1 µs: one probe of the index a series.
SELECT series.id AS series_id, to_us(newest.time) AS time, newest.value
  FROM series
 CROSS JOIN LATERAL (
       SELECT time, value
         FROM reading
        WHERE reading.series_id = series.id AND reading.time >= from_us($1)
        ORDER BY reading.time DESC
        LIMIT 1
       ) AS newest
 ORDER BY series.id
