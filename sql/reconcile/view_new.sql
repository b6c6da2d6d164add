-- What each system that has a record of the key would show if it held golden as it becomes.
CREATE OR REPLACE TEMP TABLE view_new AS
SELECT p._key, p.system, m.field,
       CASE WHEN g.state = 'unset' THEN 'unset' WHEN NOT m.writes THEN g.state ELSE v.state END AS state,
       CASE WHEN NOT m.writes THEN g.value WHEN g.state <> 'unset' THEN v.value END AS value
FROM party p
JOIN p_maps m USING (system)
JOIN golden_new g ON g._key = p._key AND g.field = m.field
LEFT JOIN laid_new v ON v._key = p._key AND v.system = p.system AND v.id = p.id AND v.field = m.field
WHERE p.id IS NOT NULL AND p.fate IN ('born', 'live', 'reborn', 'revived');
