-- What one system is to be sent: ready changes, and changes that a person has
-- approved since. A record with an open doubt waits. Creates and updates come
-- before deletes.
WITH decided AS (
    SELECT kind, unnest(from_json(effects, '["VARCHAR"]')) AS effect
    FROM decisions
    WHERE kind = 'reject' OR epoch_us(expires_at) > $2
)
SELECT changes.*
FROM changes
WHERE system = $1
  AND (state = 'ready'
       OR (state IN ('planned', 'held') AND effect IN (SELECT effect FROM decided WHERE kind = 'approve')))
  AND effect NOT IN (SELECT effect FROM decided WHERE kind = 'reject')
  AND _key NOT IN (SELECT _key FROM changes WHERE system = $1 AND state IN ('sent', 'in_doubt'))
ORDER BY op = 'delete', _khash, _key, change;
