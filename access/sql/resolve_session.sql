-- Whose session it is ($1: hash, $2: how long it may be idle). That it was seen is written at most twice a minute.
WITH found AS (
    SELECT session.id, account.id AS account, name, role, sectors, zones, must_change, expires_at, seen_at
      FROM session JOIN account ON account.id = session.account
     WHERE hash = $1 AND expires_at > now() AND seen_at > now() - $2::interval AND disabled_at IS NULL
), seen AS (
    UPDATE session SET seen_at = now() FROM found
     WHERE session.id = found.id AND found.seen_at < now() - interval '30 seconds'
)
SELECT * FROM found
