-- What a person should know.
SELECT finding, kind, severity, entity, system, field, key, observed, expected, evidence, help, first_seen, last_seen
FROM findings
WHERE state = 'open'
ORDER BY severity, kind, entity, system, key;
