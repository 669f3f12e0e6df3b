SELECT id, sector, source, subject, time, zone, lon, lat, category, severity, title, description, status
  FROM report
 ORDER BY time DESC, id DESC
 LIMIT $1
