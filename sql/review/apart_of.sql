-- Why a record of entity $1 and key $2 is not the same everywhere: known
-- differences, holds, grave findings, and records that cannot be read. An empty field is the
-- whole record.
SELECT 'difference' AS what, system, field, kind || coalesce(': ' || nullif(reason, ''), '') AS why
FROM _differences WHERE entity = $1 AND key = $2 AND open
UNION ALL
SELECT 'held', '', unnest(string_split(field, ',')), coalesce(nullif(reason, ''), kind) || ': trueup decide ' || hold
FROM _holds WHERE entity = $1 AND _key = $2 AND state = 'open'
UNION ALL
SELECT 'held', CASE WHEN kind = 'against_update' THEN '' ELSE system END, coalesce(field, ''), kind || coalesce(': ' || nullif(observed, ''), '')
FROM _findings WHERE entity = $1 AND key = $2 AND state = 'open' AND severity = 'high'
UNION ALL
SELECT 'unknown', system, field, 'it does not fit its type: ' || reason
FROM _dead_letters WHERE entity = $1 AND key = $2 AND open
ORDER BY ALL;
