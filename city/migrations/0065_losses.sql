-- What is known of logs that are gone: how far they went, and therefore how much of them was never read.

-- known_end: how far ingest has seen the log go. closed_at: since when another log stands in its place. taken_at: when
-- its owner took it.
ALTER TABLE ledger
    ADD COLUMN known_end bigint,
    ADD COLUMN taken_at timestamptz,
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN accepted_lost bigint NOT NULL DEFAULT 0;

-- How far those who publish, and the supervisor of an embedded broker, know a log to go.
CREATE TABLE log_end (
    cluster   text NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    known_end bigint NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (cluster, topic, partition)
);
CREATE INDEX log_end_topic ON log_end (topic, partition);

-- For each book the end that is known, and what of a closed one was never read. A publisher can't tell generations of
-- one cluster apart: what it knows is about the newest.
CREATE VIEW ledger_lost AS
SELECT k.*,
       CASE WHEN k.closed_at IS NULL THEN 0 ELSE greatest(0, k.known_end - k.next_offset) END AS lost
FROM (
    SELECT l.cluster, l.topic, l.generation, l.partition, l.next_offset, l.closed_at, l.accepted_lost,
           greatest(
               l.next_offset, l.known_end,
               CASE WHEN NOT EXISTS (
                   SELECT FROM ledger n
                   WHERE n.cluster = l.cluster AND n.topic = l.topic AND n.partition = l.partition
                     AND n.generation > l.generation
               ) THEN e.known_end END
           ) AS known_end
    FROM ledger l
    LEFT JOIN log_end e ON e.cluster = l.cluster AND e.topic = l.topic AND e.partition = l.partition
) k;

-- Losses that no operator has accepted: what retention took, and what was lost with its log.
CREATE VIEW open_loss AS
SELECT l.cluster, l.topic, l.generation, l.partition,
       greatest(0, l.expired - l.accepted_expired) + greatest(0, v.lost - l.accepted_lost) AS records
FROM ledger l
JOIN ledger_lost v USING (cluster, topic, generation, partition)
WHERE l.expired > l.accepted_expired OR v.lost > l.accepted_lost;
