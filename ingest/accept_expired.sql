-- Accept what expired unread; a row for each partition that had something to accept.
WITH open AS (
    SELECT cluster, topic, generation, partition, expired - accepted_expired AS records
    FROM ledger
    WHERE expired > accepted_expired
    ORDER BY cluster, topic, generation, partition
    FOR UPDATE
)
UPDATE ledger l
SET accepted_expired = l.accepted_expired + o.records
FROM open o
WHERE l.cluster = o.cluster AND l.topic = o.topic AND l.generation = o.generation AND l.partition = o.partition
RETURNING l.topic, l.partition, o.records
