-- Dead letters, newest first; a null filter filters nothing. $5: only those not replayed yet.
SELECT id, at, source, topic, partition, first_offset, next_offset, reason, detail, records, replayed_at, key, raw,
       headers::text AS headers
FROM dead_letter
WHERE ($1::text IS NULL OR reason = $1)
  AND ($2::text IS NULL OR topic = $2)
  AND ($3::text IS NULL OR source = $3)
  AND ($4::timestamptz IS NULL OR at >= $4)
  AND (NOT $5::bool OR replayed_at IS NULL)
  AND ($6::bigint IS NULL OR id < $6)
ORDER BY id DESC
LIMIT $7
