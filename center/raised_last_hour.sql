SELECT at
  FROM alert_history
 WHERE kind = 'raised'
   AND at > now() - interval '1 hour'
   AND body->>'severity' <> 'info'
 ORDER BY seq
