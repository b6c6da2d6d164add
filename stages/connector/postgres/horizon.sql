-- Who else is in a transaction of this database: for each, when it began (null if
-- our role may not see that) and the virtual transaction that it holds a lock on
-- until it is over. Processes that never write rows of users are left out. A
-- prepared transaction does not say when it began, so it counts as one that
-- nobody can see. Run it after the clock was read: who begins later writes later.
SELECT l.virtualxid, extract(epoch FROM a.xact_start) * 1000000 AS began
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock'
  AND l.pid <> pg_backend_pid()
  AND a.datname = current_database()
  AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'walsender')
UNION ALL
SELECT 'prepared ' || transaction, NULL
FROM pg_prepared_xacts
WHERE database = current_database()
