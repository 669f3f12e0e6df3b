-- New series, given sorted by asset and metric.
INSERT INTO series (asset_id, metric, unit)
SELECT n.asset_id, n.metric, n.unit
FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS n (asset_id, metric, unit, position)
ORDER BY n.position
RETURNING asset_id, metric, id
