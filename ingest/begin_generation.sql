-- Another log under the same name: its books begin at $4, beside those of the old one.
INSERT INTO ledger AS l (cluster, topic, generation, partition, epoch, first_offset, next_offset, owner, taken_at)
VALUES ($1, $2, $6, $3, 1, $4, $4, $5, clock_timestamp())
ON CONFLICT (cluster, topic, generation, partition) DO UPDATE
    SET epoch = l.epoch + 1, owner = excluded.owner, taken_at = clock_timestamp()
RETURNING generation, epoch, first_offset, next_offset, last_hash
