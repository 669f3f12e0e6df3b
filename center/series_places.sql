SELECT s.id, a.sector, a.name AS asset, s.metric, a.zone, a.lon, a.lat
  FROM series s
  JOIN asset a ON a.id = s.asset_id
 WHERE $1::integer[] IS NULL OR s.id = ANY ($1)
 ORDER BY s.id
