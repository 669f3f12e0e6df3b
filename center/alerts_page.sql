SELECT id, raised_at, body::text AS body
  FROM alert
 WHERE ($1::timestamptz IS NULL OR (raised_at, id) < ($1, $2))
   AND ($3::text[] IS NULL OR sector = ANY ($3))
   AND ($4::text IS NULL OR zone = $4)
   AND ($5::text IS NULL OR severity = $5)
   AND (NOT $6 OR state <> 'normal')
   AND ($7::timestamptz IS NULL OR raised_at >= $7)
   AND ($8::timestamptz IS NULL OR raised_at < $8)
   AND ($10::text[] IS NULL OR zone IS NULL OR zone = ANY ($10))
 ORDER BY raised_at DESC, id DESC
 LIMIT $9
