-- Which screen it is ($1: its token's hash). That it was seen is written at most twice a minute.
WITH found AS (
    SELECT id, name, sectors, zones, expires_at, seen_at
      FROM device
     WHERE hash = $1 AND revoked_at IS NULL AND expires_at > now()
), seen AS (
    UPDATE device SET seen_at = now() FROM found
     WHERE device.id = found.id AND (found.seen_at IS NULL OR found.seen_at < now() - interval '30 seconds')
)
SELECT * FROM found
