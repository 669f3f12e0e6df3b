-- Assets that are now somewhere else; what is null stays as it was.
UPDATE asset a
SET zone = coalesce(m.zone, a.zone),
    zone_approximate = CASE WHEN m.zone IS NULL THEN a.zone_approximate ELSE m.approximate END,
    lon = coalesce(m.lon, a.lon),
    lat = coalesce(m.lat, a.lat)
FROM unnest($1::bigint[], $2::text[], $3::bool[], $4::float8[], $5::float8[]) AS m (id, zone, approximate, lon, lat)
WHERE a.id = m.id
