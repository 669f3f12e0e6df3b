-- Values refused because the first one for the same series and time is kept.
INSERT INTO conflict (series_id, time, kept, refused)
SELECT c.series_id, from_us(c.us), c.kept, c.refused
FROM unnest($1::int[], $2::bigint[], $3::float8[], $4::float8[]) AS c (series_id, us, kept, refused)
