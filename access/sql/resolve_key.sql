-- Whose key it is ($1: id, $2: the secret's hash). That it was used is written at most twice a minute.
WITH found AS (
    SELECT id, name, sectors, grants, expires_at, previous_until, hash = $2 AS newest, last_used_at
      FROM api_key
     WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
       AND (hash = $2 OR (previous_hash = $2 AND previous_until > now()))
), used AS (
    UPDATE api_key SET last_used_at = now() FROM found
     WHERE api_key.id = found.id
       AND (found.last_used_at IS NULL OR found.last_used_at < now() - interval '30 seconds')
)
SELECT * FROM found
