-- Close the books of all logs that stood where the log of cluster $1, topic $2, partition $3, generation $4 stands now;
-- one that was never read, but of which somebody knows, gets its book. What was taken later is no log of before: whoever
-- closes may have been paused.
WITH stands AS (
    UPDATE ledger SET closed_at = NULL
    WHERE cluster = $1 AND topic = $2 AND partition = $3 AND generation = $4 AND closed_at IS NOT NULL
), unread AS (
    INSERT INTO ledger (cluster, topic, generation, partition, first_offset, next_offset, closed_at)
    SELECT e.cluster, e.topic, 1, e.partition, 0, 0, clock_timestamp()
    FROM log_end e
    WHERE e.topic = $2 AND e.partition = $3 AND e.cluster <> $1
      AND NOT EXISTS (
          SELECT FROM ledger l WHERE l.cluster = e.cluster AND l.topic = e.topic AND l.partition = e.partition
      )
    ON CONFLICT DO NOTHING
    RETURNING cluster, generation
), closed AS (
    UPDATE ledger SET closed_at = clock_timestamp()
    WHERE topic = $2 AND partition = $3 AND closed_at IS NULL AND (cluster, generation) <> ($1, $4)
      AND coalesce(taken_at, '-infinity') < (
          SELECT taken_at FROM ledger WHERE cluster = $1 AND topic = $2 AND partition = $3 AND generation = $4
      )
    RETURNING cluster, generation
)
SELECT cluster, generation FROM unread UNION ALL SELECT cluster, generation FROM closed
