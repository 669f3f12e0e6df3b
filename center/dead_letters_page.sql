SELECT id, source, reason, detail, topic, partition, first_offset, next_offset, records, at, replayed_at,
       octet_length(raw) AS bytes
  FROM dead_letter
 WHERE ($1::bigint IS NULL OR id < $1)
   AND ($2::text IS NULL OR reason = $2)
   AND ($3::text IS NULL OR source = $3)
 ORDER BY id DESC
 LIMIT $4
