SELECT body::text AS body
  FROM alert
 WHERE state <> 'normal'
