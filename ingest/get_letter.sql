-- One dead letter.
SELECT id, at, source, topic, partition, first_offset, next_offset, reason, detail, records, replayed_at, key, raw,
       headers::text AS headers
FROM dead_letter
WHERE id = $1
