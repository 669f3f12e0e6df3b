-- What retention took unread, from $6 up to the log's start $7, if the partition is still ours.
UPDATE ledger SET next_offset = $7, expired = expired + ($7 - $6), last_hash = NULL
WHERE cluster = $1 AND topic = $2 AND generation = $3 AND partition = $4 AND epoch = $5 AND next_offset = $6
RETURNING generation, epoch, first_offset, next_offset, last_hash
