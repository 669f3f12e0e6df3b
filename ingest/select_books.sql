-- All books, with the number of records that their dead letters stand for.
SELECT l.cluster, l.topic, l.generation, l.partition, l.epoch, l.owner, l.first_offset, l.next_offset,
       l.stored, l.duplicate, l.late, l.dead, l.no_record, l.expired, l.accepted_expired,
       v.known_end, v.lost, l.accepted_lost, l.closed_at,
       l.readings_stored, l.readings_duplicate, l.readings_conflict,
       coalesce(d.records, 0)::bigint AS letters, l.last_timestamp, l.last_hash
FROM ledger l
JOIN ledger_lost v USING (cluster, topic, generation, partition)
LEFT JOIN (
    SELECT cluster, topic, generation, partition, sum(records) AS records
    FROM dead_letter
    WHERE topic IS NOT NULL
    GROUP BY cluster, topic, generation, partition
) d USING (cluster, topic, generation, partition)
ORDER BY l.cluster, l.topic, l.generation, l.partition
