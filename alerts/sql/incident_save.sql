INSERT INTO incident (id, state, first_out, severity, sectors, zones, opened_at, newest_at, closed_at, reopened, seq)
VALUES ($1::text::uuid, CASE WHEN $8::timestamptz IS NULL THEN 'open' ELSE 'closed' END, $2::text::uuid, $3, $4, $5,
        $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE
   SET state = excluded.state, severity = excluded.severity, sectors = excluded.sectors, zones = excluded.zones,
       newest_at = excluded.newest_at, closed_at = excluded.closed_at, reopened = excluded.reopened, seq = excluded.seq
