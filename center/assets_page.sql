SELECT id, sector, name, zone, zone_approximate, lon, lat, first_seen, last_seen
  FROM asset
 WHERE id > $1
   AND ($2::text[] IS NULL OR sector = ANY ($2))
   AND ($3::text[] IS NULL OR zone = ANY ($3))
   AND ($4::text IS NULL OR name ILIKE '%' || $4 || '%')
 ORDER BY id
 LIMIT $5
