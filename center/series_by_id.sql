SELECT s.id, a.sector, a.name AS asset, a.zone, s.metric, s.unit
  FROM series s
  JOIN asset a ON a.id = s.asset_id
 WHERE s.id = ANY ($1::integer[])
