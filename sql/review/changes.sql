-- Changes of an entity, newest first within a system. Null parameters do not filter:
-- $1 system, $2 state, $3 key.
SELECT change, _key, system, op, id, before, after, effect, state, reason, plan, attempt, run, recorded_at
FROM changes
WHERE ($1 IS NULL OR system = $1) AND ($2 IS NULL OR state = $2) AND ($3 IS NULL OR _key = $3)
ORDER BY system, op, _key, recorded_at, change;
