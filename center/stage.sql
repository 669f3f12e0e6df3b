SELECT (value->>'level')::int AS level, value->>'since' AS since
  FROM city_state
 WHERE key = 'stage'
