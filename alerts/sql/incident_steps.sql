SELECT seq,
       at,
       alert_id::text AS alert_id,
       body ->> 'rule' AS rule,
       body ->> 'group' AS group_key,
       body ->> 'sector' AS sector,
       body ->> 'zone' AS zone,
       body ->> 'severity' AS severity,
       body ->> 'state' AS state,
       body ->> 'cleared_at' IS NOT NULL AS cleared
  FROM alert_history
 WHERE seq > $1
 ORDER BY seq
 LIMIT $2
