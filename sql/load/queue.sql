-- What one system is to be sent: ready changes, and changes that a person has
-- approved since, but for those that a person's latest word is against. A record
-- with an open doubt waits. Creates and updates come before deletes.
SELECT changes.*
FROM changes
LEFT JOIN word USING (effect)
WHERE system = $1
  AND (state = 'ready' OR state IN ('planned', 'held') AND word.kind = 'approve')
  AND coalesce(word.kind = 'approve', true)
  AND _key NOT IN (SELECT _key FROM changes WHERE system = $1 AND state IN ('sent', 'in_doubt'))
ORDER BY op = 'delete', _khash, _key, change;
