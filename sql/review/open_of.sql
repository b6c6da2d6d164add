-- What is not finished for key $1 in any system.
SELECT system, op, state, coalesce(reason, '') AS reason, coalesce(after, '{}') AS after
FROM changes
WHERE _key = $1 AND state IN ('planned', 'ready', 'held', 'sent', 'in_doubt')
ORDER BY recorded_at, change;
