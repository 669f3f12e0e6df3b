SELECT h.seq,
       h.alert_id,
       h.kind,
       h.at,
       h.body::text AS body,
       (SELECT p.body->>'zone'
          FROM alert_history p
         WHERE $3 AND p.alert_id = h.alert_id AND p.seq < h.seq
         ORDER BY p.seq DESC
         LIMIT 1) AS zone_before
  FROM alert_history h
 WHERE h.seq > $1
 ORDER BY h.seq
 LIMIT $2
