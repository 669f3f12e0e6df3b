SELECT seq, to_us(at), actor_kind, actor_id, actor, address, action, object, before::text, after::text, hash
  FROM audit
 WHERE ($1::bigint IS NULL OR seq < $1) AND ($2::text IS NULL OR actor = $2) AND ($3::text IS NULL OR action = $3)
   AND ($4::text IS NULL OR object = $4)
 ORDER BY seq DESC LIMIT $5
