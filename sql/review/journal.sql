-- What became of the changes of one key.
SELECT system, kind, op, attempt, generation, protocol, outcome, status, evidence, run, recorded_at, change, id
FROM journal
WHERE entity = $1 AND key = $2
ORDER BY recorded_at, attempt;
