SELECT i.id::text AS id,
       i.first_out::text AS first_out,
       i.severity,
       i.sectors,
       i.zones,
       i.opened_at,
       i.newest_at,
       i.closed_at,
       i.reopened,
       i.seq,
       coalesce(m.alerts, '{}') AS alerts,
       coalesce(m.rules, '{}') AS rules,
       coalesce(m.groups, '{}') AS groups,
       coalesce(m.lasts, '{}') AS lasts
  FROM incident AS i
  LEFT JOIN LATERAL (
       SELECT array_agg(m.alert_id::text ORDER BY m.joined_at, m.alert_id) AS alerts,
              array_agg(a.rule ORDER BY m.joined_at, m.alert_id) AS rules,
              array_agg(a.group_key ORDER BY m.joined_at, m.alert_id) AS groups,
              array_agg(m.lasts ORDER BY m.joined_at, m.alert_id) AS lasts
         FROM incident_member AS m
         JOIN alert AS a ON a.id = m.alert_id
        WHERE m.incident = i.id) AS m ON true
 WHERE i.state = 'open' OR i.closed_at >= $1
 ORDER BY i.opened_at, i.id
