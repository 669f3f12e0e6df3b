-- How far a log was seen to go ($5) by the worker that read it last, whether or not it got there.
UPDATE ledger SET known_end = $5
WHERE cluster = $1 AND topic = $2 AND generation = $3 AND partition = $4 AND coalesce(known_end, next_offset) < $5
