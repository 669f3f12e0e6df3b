SELECT (value->>'level')::int AS level, value->>'since' AS since, newest.set_by AS by
  FROM city_state
  LEFT JOIN (SELECT level, set_by FROM stage ORDER BY number DESC LIMIT 1) AS newest
    ON newest.level = (value->>'level')::int
 WHERE key = 'stage'
