-- Every step of every change of key $1 that the journal does not tell. A step that
-- says the same as the one before is none. Places say nothing here: a fold moves old
-- rows behind new ones.
SELECT change, effect, system, op, state, coalesce(reason, '') AS reason, coalesce(before, '{}') AS before, coalesce(after, '{}') AS after, run, recorded_at
FROM all_changes
WHERE _key = $1 AND state IN ('planned', 'ready', 'held', 'failed', 'superseded', 'rejected')
WINDOW w AS (PARTITION BY change ORDER BY run, recorded_at, state NOT IN ('planned', 'ready', 'held'))
QUALIFY state IS DISTINCT FROM lag(state) OVER w OR reason IS DISTINCT FROM lag(reason) OVER w
ORDER BY run, recorded_at, change;
