-- Move our partitions' books and lock them, sorted; only those that are still ours and still where we left
-- them. Fewer rows than given: another owner is at work, and the transaction must not commit.
WITH given AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
                $17::bytea[], $18::bigint[]) AS g (
        cluster, topic, generation, partition, epoch, old_offset, new_offset, stored, duplicate, late, dead, no_record,
        readings_stored, readings_duplicate, readings_conflict, last_us, last_hash, known_end
    )
), ours AS MATERIALIZED (
    SELECT l.cluster, l.topic, l.generation, l.partition
    FROM ledger l
    JOIN given g USING (cluster, topic, generation, partition)
    WHERE l.epoch = g.epoch AND l.next_offset = g.old_offset
    ORDER BY l.cluster, l.topic, l.generation, l.partition
    FOR UPDATE OF l
)
UPDATE ledger l
SET next_offset = g.new_offset,
    stored = l.stored + g.stored,
    duplicate = l.duplicate + g.duplicate,
    late = l.late + g.late,
    dead = l.dead + g.dead,
    no_record = l.no_record + g.no_record,
    readings_stored = l.readings_stored + g.readings_stored,
    readings_duplicate = l.readings_duplicate + g.readings_duplicate,
    readings_conflict = l.readings_conflict + g.readings_conflict,
    last_timestamp = coalesce(from_us(g.last_us), l.last_timestamp),
    last_hash = g.last_hash,
    known_end = greatest(l.known_end, g.known_end, g.new_offset)
FROM given g
JOIN ours o USING (cluster, topic, generation, partition)
WHERE l.cluster = g.cluster AND l.topic = g.topic AND l.generation = g.generation AND l.partition = g.partition
RETURNING l.topic, l.partition
