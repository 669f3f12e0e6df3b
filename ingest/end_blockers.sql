-- End the ingest sessions that session $1 waits for, itself excepted.
SELECT pid, application_name AS owner, pg_terminate_backend(pid) AS ended
FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids($1)) AND pid <> $1 AND application_name LIKE 'citywatch-ingest%'
