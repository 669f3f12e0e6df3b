SELECT r.id, r.sector, r.zone, r.time
  FROM report AS r
 WHERE r.time > clock_timestamp() - interval '20 minutes'
   AND r.time < clock_timestamp() + interval '10 minutes'
   AND r.zone IS NOT NULL
   AND NOT EXISTS (SELECT FROM incident_member AS m WHERE m.report_id = r.id)
 ORDER BY r.time, r.id
 LIMIT $1
