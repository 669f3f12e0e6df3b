-- How far logs are known to go: clusters $1, topics $2, partitions $3, ends $4. What is known already is never lowered.
INSERT INTO log_end AS e (cluster, topic, partition, known_end)
SELECT g.cluster, g.topic, g.partition, g.known_end
FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) AS g (cluster, topic, partition, known_end)
ORDER BY g.cluster, g.topic, g.partition
ON CONFLICT (cluster, topic, partition) DO UPDATE SET known_end = excluded.known_end, at = clock_timestamp()
WHERE e.known_end < excluded.known_end
