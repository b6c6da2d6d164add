-- The latest word of a person on every effect.
SELECT effect, kind, person, reason, recorded_at, expires_at
FROM (SELECT decision, kind, person, reason, recorded_at, expires_at, unnest(CAST(effects::JSON AS VARCHAR[])) AS effect FROM decisions)
QUALIFY row_number() OVER (PARTITION BY effect ORDER BY recorded_at DESC, decision DESC) = 1;
