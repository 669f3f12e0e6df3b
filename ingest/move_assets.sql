-- Where assets were at a time ($2, µs since 1970): a word older than what is known changes nothing, what is null stays as
-- it was. Every asset's place as it stands then.
WITH given AS (
    SELECT *
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bool[], $5::float8[], $6::float8[]) AS m (
        id, us, zone, approximate, lon, lat
    )
), locked AS (
    SELECT a.id, a.placed_at IS NULL OR a.placed_at <= from_us(g.us) AS newer
    FROM asset a
    JOIN given g ON g.id = a.id
    ORDER BY a.id
    FOR UPDATE OF a
)
UPDATE asset a
SET zone = CASE WHEN l.newer AND g.zone IS NOT NULL THEN g.zone ELSE a.zone END,
    zone_approximate = CASE WHEN l.newer AND g.zone IS NOT NULL THEN g.approximate ELSE a.zone_approximate END,
    lon = CASE WHEN l.newer AND g.lon IS NOT NULL THEN g.lon ELSE a.lon END,
    lat = CASE WHEN l.newer AND g.lat IS NOT NULL THEN g.lat ELSE a.lat END,
    placed_at = CASE WHEN l.newer THEN from_us(g.us) ELSE a.placed_at END
FROM given g
JOIN locked l ON l.id = g.id
WHERE a.id = g.id
RETURNING a.id, a.zone, a.zone_approximate, a.lon, a.lat, to_us(a.placed_at) AS placed_us
