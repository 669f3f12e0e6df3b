SELECT i.id, i.state, i.first_out, i.severity, i.sectors, i.zones, i.opened_at, i.newest_at, i.closed_at, i.reopened,
       count(m.alert_id) AS alerts, count(m.report_id) AS reports,
       first.body -> 'short' AS short, first.body -> 'title' AS title
  FROM incident AS i
  JOIN incident_member AS m ON m.incident = i.id
  JOIN alert AS first ON first.id = i.first_out
 WHERE ($1::timestamptz IS NULL OR (i.opened_at, i.id) < ($1, $2))
   AND (NOT $3 OR i.state = 'open')
   AND ($4::text[] IS NULL OR i.sectors && $4)
   AND ($5::text[] IS NULL OR i.zones = '{}' OR i.zones && $5)
   AND ($7::uuid IS NULL OR i.id = $7)
 GROUP BY i.id, first.body
 ORDER BY i.opened_at DESC, i.id DESC
 LIMIT $6
