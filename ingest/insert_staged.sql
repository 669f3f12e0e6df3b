-- Store what is new of the staged readings; positions of the stored ones.
WITH stored AS (
    INSERT INTO reading (time, series_id, value)
    SELECT time, series_id, value FROM staging WHERE first ORDER BY series_id, time
    ON CONFLICT (series_id, time) DO NOTHING
    RETURNING time, series_id
)
SELECT coalesce(array_agg(s.position), '{}') FROM staging s JOIN stored USING (series_id, time) WHERE s.first
