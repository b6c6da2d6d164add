-- Every request that was about one key, and what became of it.
SELECT system, kind, op, attempt, generation, protocol, outcome, status, evidence, run, recorded_at, change, id, before, after
FROM journal
WHERE entity = $1 AND key = $2
ORDER BY recorded_at, attempt;
