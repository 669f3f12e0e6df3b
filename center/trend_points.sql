SELECT to_us(bucket) / 1000 AS ms,
       CASE $4
           WHEN 'sum' THEN avg(sum / count) * cardinality($1::integer[])
           WHEN 'max' THEN max(max)
           WHEN 'min' THEN min(min)
           ELSE sum(sum) / sum(count)
       END AS value
  FROM reading_1m
 WHERE series_id = ANY ($1::integer[])
   AND bucket >= from_us($2)
   AND bucket < from_us($3)
 GROUP BY bucket
 ORDER BY bucket
