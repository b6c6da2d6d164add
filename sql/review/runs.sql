-- The last $1 runs, newest first.
SELECT run, mode, state, epoch, run_at, started_at, ended_at, exit_code, summary
FROM runs
ORDER BY run DESC
LIMIT $1;
