SELECT id, source, reason, detail, topic, partition, first_offset, next_offset, records, at, replayed_at,
       octet_length(raw) AS bytes, raw, headers::text AS headers
  FROM dead_letter
 WHERE id = $1
