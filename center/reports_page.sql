SELECT id, sector, source, subject, time, zone, lon, lat, category, severity, title, description, status
  FROM report
 WHERE ($1::timestamptz IS NULL OR (time, id) < ($1, $2))
   AND ($3::text[] IS NULL OR sector = ANY ($3))
   AND ($4::text[] IS NULL OR zone = ANY ($4))
   AND ($5::text IS NULL OR status = $5)
   AND ($6::timestamptz IS NULL OR time >= $6)
   AND ($7::timestamptz IS NULL OR time < $7)
 ORDER BY time DESC, id DESC
 LIMIT $8
