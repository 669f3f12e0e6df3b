-- What was never read of the log of cluster $1, topic $2, generation $3, partition $4, now that it is gone.
SELECT lost FROM ledger_lost WHERE cluster = $1 AND topic = $2 AND generation = $3 AND partition = $4
