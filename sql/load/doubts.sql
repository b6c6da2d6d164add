-- Changes of one system that were sent and have no known outcome, with the time
-- of the first and of the last send.
SELECT changes.*, sends.first_at, sends.last_at, sends.idempotency_key
FROM changes
JOIN (
    SELECT change, min(recorded_at) AS first_at, max(recorded_at) AS last_at, arg_max(idempotency_key, recorded_at) AS idempotency_key
    FROM journal
    WHERE kind = 'intent'
    GROUP BY change
) AS sends USING (change)
WHERE system = $1 AND state IN ('sent', 'in_doubt')
ORDER BY _khash, _key, change;
