-- When each of some runs ($1, a JSON list) began, and those whose clock was one
-- of some times ($2, a JSON list of microseconds).
SELECT run, mode, run_at, started_at
FROM _runs
WHERE list_contains(CAST($1::JSON AS VARCHAR[]), run) OR list_contains(CAST($2::JSON AS BIGINT[]), epoch_us(run_at))
ORDER BY run;
