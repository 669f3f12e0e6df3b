-- Take the newest word of each report, given sorted by identity; a row for each with the time known before, if any.
WITH given AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::float8[], $8::float8[],
                $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
        WITH ORDINALITY AS g (
            sector, source, subject, us, first_us, zone, lon, lat, category, severity, title, description, status, position
        )
), before AS MATERIALIZED (
    SELECT r.source, r.subject, to_us(r.time) AS us
    FROM report r
    JOIN given g USING (source, subject)
    ORDER BY r.source, r.subject
    FOR UPDATE OF r
), written AS (
    INSERT INTO report AS r (
        sector, source, subject, time, first_time, zone, lon, lat, category, severity, title, description, status
    )
    SELECT sector, source, subject, from_us(us), from_us(first_us), zone, lon, lat, category, severity, title, description,
           status
    FROM given
    ORDER BY position
    ON CONFLICT (source, subject) DO UPDATE
    SET sector = excluded.sector,
        time = excluded.time,
        first_time = least(r.first_time, excluded.first_time),
        zone = coalesce(excluded.zone, r.zone),
        lon = coalesce(excluded.lon, r.lon),
        lat = coalesce(excluded.lat, r.lat),
        category = excluded.category,
        severity = excluded.severity,
        title = excluded.title,
        description = excluded.description,
        status = excluded.status
    WHERE r.time < excluded.time
    RETURNING r.source, r.subject
)
SELECT g.source, g.subject, b.us AS before_us
FROM given g
LEFT JOIN before b USING (source, subject)
