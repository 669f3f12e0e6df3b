-- Dead letters of records.
INSERT INTO dead_letter (
    cluster, topic, generation, partition, first_offset, next_offset, source, reason, detail, raw, key, headers, records
)
SELECT d.cluster, d.topic, d.generation, d.partition, d.first_offset, d.next_offset, 'kafka', d.reason, d.detail, d.raw, d.key,
       d.headers::jsonb, d.records
FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bytea[],
            $10::bytea[], $11::text[], $12::bigint[]) AS d (
    cluster, topic, generation, partition, first_offset, next_offset, reason, detail, raw, key, headers, records
)
