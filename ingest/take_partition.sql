-- Own the newest generation of one partition ($1 cluster, $2 topic, $3 partition); a new one begins at $4. $5 is the owner.
INSERT INTO ledger AS l (cluster, topic, generation, partition, epoch, first_offset, next_offset, owner, taken_at)
SELECT $1, $2, coalesce(max(generation), 1), $3, 1, $4, $4, $5, clock_timestamp()
FROM ledger
WHERE cluster = $1 AND topic = $2 AND partition = $3
ON CONFLICT (cluster, topic, generation, partition) DO UPDATE
    SET epoch = l.epoch + 1, owner = excluded.owner, taken_at = clock_timestamp()
RETURNING generation, epoch, first_offset, next_offset, last_hash
