INSERT INTO dead_letter (source, reason, detail, raw, headers, records, topic)
VALUES ('http', $1, $2, $3, $4::text::jsonb, $5, $6)
