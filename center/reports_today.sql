SELECT count(*) AS today
  FROM report
 WHERE first_time >= date_trunc('day', now() AT TIME ZONE $1) AT TIME ZONE $1
