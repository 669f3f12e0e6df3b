SELECT i.id, i.first_out, i.sectors, i.zones, i.opened_at,
       array_agg(m.alert_id ORDER BY m.joined_at, m.alert_id) FILTER (WHERE m.alert_id IS NOT NULL) AS alerts,
       count(m.report_id) AS reports
  FROM incident AS i
  JOIN incident_member AS m ON m.incident = i.id
 WHERE i.state = 'open' OR i.closed_at > clock_timestamp() - interval '10 minutes'
 GROUP BY i.id
 ORDER BY i.opened_at, i.id
 LIMIT 500
