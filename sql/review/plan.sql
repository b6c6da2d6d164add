-- Every change that is not finished: what the next load would send, what waits for
-- a person, and what has no known outcome yet.
SELECT change, _key, system, op, id, before, after, effect, state, reason, plan, attempt, run, recorded_at
FROM changes
WHERE state IN ('planned', 'ready', 'held', 'sent', 'in_doubt')
ORDER BY system, op, _key, change;
