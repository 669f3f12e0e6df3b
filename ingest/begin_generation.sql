-- Another log under the same name: its books begin at $4, beside those of the old one.
INSERT INTO ledger AS l (cluster, topic, generation, partition, epoch, first_offset, next_offset, owner)
VALUES ($1, $2, $6, $3, 1, $4, $4, $5)
ON CONFLICT (cluster, topic, generation, partition) DO UPDATE SET epoch = l.epoch + 1, owner = excluded.owner, closed_at = NULL
RETURNING generation, epoch, first_offset, next_offset, last_hash
