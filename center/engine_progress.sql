SELECT sector,
       extract(epoch FROM clock_timestamp() - through)::float8 AS behind_s,
       extract(epoch FROM clock_timestamp() - at)::float8 AS silent_s
  FROM engine_progress
