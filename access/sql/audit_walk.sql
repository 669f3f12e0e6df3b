-- Rows after $1 up to $2, at most $3.
SELECT seq, to_us(at), actor_kind, actor_id, actor, address, action, object, before::text, after::text, hash
  FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3
