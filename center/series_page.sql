SELECT s.id, a.id AS asset_id, a.sector, a.name AS asset, a.zone, s.metric, s.unit
  FROM series s
  JOIN asset a ON a.id = s.asset_id
 WHERE s.id > $1::bigint
   AND ($2::text[] IS NULL OR a.sector = ANY ($2))
   AND ($3::text[] IS NULL OR a.zone = ANY ($3))
   AND ($4::text IS NULL OR a.name = $4)
   AND ($5::text IS NULL OR s.metric = $5)
 ORDER BY s.id
 LIMIT $6
