SELECT id, source, reason, detail, topic, partition, first_offset, next_offset, records, at, replayed_at,
       octet_length(raw) AS bytes
  FROM dead_letter
 WHERE ($1::text IS NULL OR reason = $1)
   AND ($2::text IS NULL OR source = $2)
   AND (NOT $3::boolean OR replayed_at IS NULL)
   AND ($4::bigint IS NULL OR id < $4)
   AND ($6::text[] IS NULL OR topic = ANY ($6))
 ORDER BY id DESC
 LIMIT $5
