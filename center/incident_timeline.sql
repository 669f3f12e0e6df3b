SELECT h.at, 'alert' AS what, h.kind, h.seq, h.alert_id, NULL::bigint AS report_id, h.actor, h.detail,
       a.sector, a.zone, h.body -> 'title' AS title, h.body ->> 'severity' AS severity, h.body ->> 'state' AS state
  FROM incident_member AS m
  JOIN alert_history AS h ON h.alert_id = m.alert_id
  JOIN alert AS a ON a.id = m.alert_id
 WHERE m.incident = $1
UNION ALL
SELECT r.time, 'report', r.category, NULL, NULL, r.id, r.source, NULL, r.sector, r.zone,
       jsonb_build_object('vi', r.title, 'en', r.title), r.severity, r.status
  FROM incident_member AS m
  JOIN report AS r ON r.id = m.report_id
 WHERE m.incident = $1
 ORDER BY 1, 4 NULLS LAST, 6
 LIMIT 2000
