-- Every field of a live record, decided by its rule.

-- News: the system shows it, and it is neither what was judged last nor what
-- golden would look like there. A system that joins has no news where golden
-- has a value: those are differences to approve.
CREATE OR REPLACE TEMP TABLE news AS
SELECT n._key, n.system, n.field, n.state, n.value, n.base_state, n.base_value, p.version, p.ord,
       p.base_id IS NULL OR n.base_state <> v.state OR n.base_value IS DISTINCT FROM v.value AS unseen
FROM seen n
JOIN party p USING (_key, system)
JOIN golden_old g ON g._key = n._key AND g.field = n.field
JOIN view_old v ON v._key = n._key AND v.system = n.system AND v.field = n.field
WHERE n.state IN ('value', 'null')
  AND (n.state <> n.base_state OR n.value IS DISTINCT FROM n.base_value)
  AND (n.state <> coalesce(v.state, 'absent') OR n.value IS DISTINCT FROM v.value)
  AND NOT (NOT p.joined AND p.base_id IS NULL AND p.fate NOT IN ('born', 'reborn') AND g.state <> 'unset');

-- The ruling system: the first of the list that holds the key, maps the field,
-- and shows a value or has itself cleared it. One that is unknown now still
-- rules by what it last showed.
CREATE OR REPLACE TEMP TABLE ruler AS
SELECT p._key, a.field, a.system
FROM party p
JOIN p_authority a USING (system)
JOIN p_maps m ON m.system = a.system AND m.field = a.field
LEFT JOIN seen n ON n._key = p._key AND n.system = p.system AND n.field = a.field
LEFT JOIN base2 b ON b._key = p._key AND b.system = p.system AND b.field = a.field
WHERE p.fate IN ('born', 'live', 'reborn', 'revived')
  AND CASE WHEN n.state NOT IN ('absent', 'unknown') THEN n.state
           WHEN p.unknown <> '' OR p.id IS NOT NULL AND NOT p.old THEN b.state END IN ('value', 'null')
QUALIFY row_number() OVER (PARTITION BY p._key, a.field ORDER BY a.rank) = 1;

-- Where nobody of the list takes part, the newest contender is taken; golden
-- is one if somebody with news had not seen it.
CREATE OR REPLACE TEMP TABLE contest AS
WITH contender AS (
    SELECT n._key, n.field, n.system, n.version, 1 AS side FROM news n
    ANTI JOIN ruler r ON r._key = n._key AND r.field = n.field
    UNION ALL
    SELECT g._key, g.field, coalesce(g.source, ''), p.base_version, 0
    FROM golden_old g
    JOIN (SELECT _key, field FROM news GROUP BY ALL HAVING bool_or(unseen)) u ON u._key = g._key AND u.field = g.field
    ANTI JOIN ruler r ON r._key = g._key AND r.field = g.field
    LEFT JOIN party p ON p._key = g._key AND p.system = g.source
    WHERE g.state <> 'unset')
SELECT c._key, c.field, c.system, c.side = 1 AS is_side, bool_or(c.side = 0) OVER w AS golden_contends
FROM contender c
LEFT JOIN p_authority a ON a.system = c.system AND a.field = c.field
WINDOW w AS (PARTITION BY c._key, c.field)
QUALIFY row_number() OVER (PARTITION BY c._key, c.field
    ORDER BY c.version DESC NULLS LAST, c.side, coalesce(a.rank, 1000000), c.system) = 1;

CREATE OR REPLACE TEMP TABLE decided AS
SELECT g._key, g.field, n.system AS winner,
       CASE WHEN r.system IS NOT NULL THEN 'authority: ' || r.system ELSE 'latest: ' || c.system END AS reason,
       coalesce(c.is_side AND c.golden_contends, false) AS golden_lost,
       coalesce(n.state, g.state) AS state,
       CASE WHEN n.state IS NULL THEN g.value ELSE n.value END AS value,
       coalesce(n.system, g.source) AS source
FROM golden_old g
LEFT JOIN ruler r ON r._key = g._key AND r.field = g.field
LEFT JOIN contest c ON c._key = g._key AND c.field = g.field
LEFT JOIN news n ON n._key = g._key AND n.field = g.field
     AND n.system = coalesce(r.system, CASE WHEN c.is_side THEN c.system END);

CREATE OR REPLACE TEMP TABLE golden_new AS SELECT _key, field, state, value, source, NULL::BIGINT AS edit_since, NULL::BIGINT AS edit_until FROM decided;

-- Fields that wait for a person, and the sides whose base stays where it is.
CREATE OR REPLACE TEMP TABLE field_hold (_key INTEGER, field VARCHAR, kind VARCHAR, golden VARCHAR, contenders VARCHAR, reason VARCHAR);
CREATE OR REPLACE TEMP TABLE frozen (_key INTEGER, system VARCHAR, field VARCHAR);
