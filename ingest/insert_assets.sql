-- New assets of sector $1, given sorted by name.
INSERT INTO asset (sector, name, zone, zone_approximate, lon, lat, first_seen, last_seen, placed_at)
SELECT $1, n.name, n.zone, n.approximate, n.lon, n.lat, from_us(n.seen), from_us(n.seen),
       CASE WHEN n.zone IS NOT NULL OR n.lon IS NOT NULL THEN from_us(n.seen) END
FROM unnest($2::text[], $3::text[], $4::bool[], $5::float8[], $6::float8[], $7::bigint[])
    WITH ORDINALITY AS n (name, zone, approximate, lon, lat, seen, position)
ORDER BY n.position
RETURNING id, name
