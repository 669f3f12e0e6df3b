-- Letter $1 was published again by $2 (an actor) to topic $3: noted at the letter and in the audit trail, both or neither.
-- A letter that retention has erased meanwhile was sent all the same.
WITH marked AS (
    UPDATE dead_letter SET replayed_at = clock_timestamp() WHERE id = $1 RETURNING replayed_at
)
SELECT audit_append(
    $2::text::jsonb, 'dead_letter.replay', 'dead letter ' || $1::bigint,
    jsonb_build_object('replayed_at', letter.replayed_at, 'reason', letter.reason, 'topic', letter.topic),
    jsonb_build_object('replayed_at', coalesce(marked.replayed_at, clock_timestamp()), 'topic', $3::text))
  FROM (SELECT $1::bigint AS id) AS sent
  LEFT JOIN dead_letter AS letter USING (id)
  LEFT JOIN marked ON true
