-- The newest reading's time of each asset, from those of its series ($1 ids, $2 µs since 1970).
WITH newest AS (
    SELECT s.asset_id, max(n.us) AS us
    FROM unnest($1::int[], $2::bigint[]) AS n (series_id, us)
    JOIN series s ON s.id = n.series_id
    GROUP BY s.asset_id
), locked AS (
    SELECT a.id FROM asset a JOIN newest n ON n.asset_id = a.id ORDER BY a.id FOR UPDATE OF a
)
UPDATE asset a
SET last_seen = greatest(a.last_seen, from_us(n.us))
FROM newest n
JOIN locked l ON l.id = n.asset_id
WHERE a.id = n.asset_id
