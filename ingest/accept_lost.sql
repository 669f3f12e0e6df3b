-- Accept what was lost with logs that are gone; a row for each partition that had something to accept.
WITH open AS (
    SELECT l.cluster, l.topic, l.generation, l.partition, v.lost - l.accepted_lost AS records
    FROM ledger l
    JOIN ledger_lost v USING (cluster, topic, generation, partition)
    WHERE v.lost > l.accepted_lost
    ORDER BY l.cluster, l.topic, l.generation, l.partition
    FOR UPDATE OF l
)
UPDATE ledger l
SET accepted_lost = l.accepted_lost + o.records
FROM open o
WHERE l.cluster = o.cluster AND l.topic = o.topic AND l.generation = o.generation AND l.partition = o.partition
RETURNING l.topic, l.partition, o.records
