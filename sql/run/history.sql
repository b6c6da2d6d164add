-- What schedules need to know of the past: of all runs of the same mode, the same
-- scope and the same state the newest three, with what they were asked to do.
SELECT run, mode, state, started_at, asked
FROM (SELECT run, mode, state, started_at, CAST(summary ->> '$.asked' AS VARCHAR) AS asked FROM runs)
WHERE asked IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY mode, state, asked ORDER BY started_at DESC, run DESC) <= 3
ORDER BY run;
