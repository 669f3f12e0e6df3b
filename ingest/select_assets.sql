-- Assets of sector $1 by name, a row a series; one row without a series for an asset that has none.
SELECT a.id, a.name, a.zone, a.zone_approximate, a.lon, a.lat, to_us(a.placed_at) AS placed_us, s.metric, s.id AS series_id
FROM asset a
LEFT JOIN series s ON s.asset_id = a.id
WHERE a.sector = $1 AND a.name = ANY ($2::text[])
