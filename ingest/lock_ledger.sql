-- Lock our partitions' books, sorted; only those that are still ours and still where we left them.
SELECT l.topic, l.partition
FROM ledger l
JOIN unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[]) AS g (
    cluster, topic, generation, partition, epoch, old_offset
) USING (cluster, topic, generation, partition)
WHERE l.epoch = g.epoch AND l.next_offset = g.old_offset
ORDER BY l.cluster, l.topic, l.generation, l.partition
FOR UPDATE OF l
