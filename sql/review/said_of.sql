-- What people decided of one record: of its effects ($1, a JSON list), or of what was
-- held of it (entity $2, key $3).
SELECT kind, target, person, reason, recorded_at, choice
FROM _decisions
WHERE list_has_any(CAST(coalesce(effects, '[]')::JSON AS VARCHAR[]), CAST($1::JSON AS VARCHAR[]))
   OR target IN (SELECT hold FROM _holds WHERE entity = $2 AND _key = $3)
ORDER BY recorded_at;
