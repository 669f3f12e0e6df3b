-- Staged readings whose identity has another value in the table; a statement of its own, to see what others committed.
SELECT s.position, r.value AS kept
FROM staging s
JOIN reading r ON r.series_id = s.series_id AND r.time = s.time AND r.time BETWEEN from_us($1) AND from_us($2)
WHERE r.value <> s.value
