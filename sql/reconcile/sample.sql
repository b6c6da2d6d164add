-- Fields of a system ($1) that real records would not show as golden has them:
-- lost, unless the loss is declared; restless, if what it would show, written
-- again, would show yet another value. With one example each.
INSERT INTO sampled
SELECT system, field, kind, count(*) AS records, min(key) AS key, arg_min(golden, key) AS golden, arg_min(shown, key) AS shown, arg_min(again, key) AS again
FROM (
    SELECT v.system, v.field, k.key, g.value AS golden, v.value AS shown, a.value AS again,
           CASE WHEN a.state <> v.state OR a.value IS DISTINCT FROM v.value THEN 'restless'
                WHEN d.field IS NULL AND (v.state <> 'value' OR v.value IS DISTINCT FROM g.value) THEN 'lost' END AS kind
    FROM laid_sample v
    JOIN cand k USING (_key)
    JOIN record r ON r._key = v._key AND r.system = v.system AND r.id = v.id AND r.op IN ('upsert', 'touch')
    JOIN scope_sample c ON c._key = v._key AND c.system = v.system AND c.in_scope
    JOIN p_maps m ON m.system = v.system AND m.field = v.field AND m.writes
    JOIN golden_sample g ON g._key = v._key AND g.field = v.field AND g.state = 'value'
    JOIN laid_again a ON a._key = v._key AND a.system = v.system AND a.id = v.id AND a.field = v.field
    LEFT JOIN declared d ON d.system = v.system AND d.field = v.field
    WHERE v.system = $1)
WHERE kind IS NOT NULL
GROUP BY system, field, kind;
