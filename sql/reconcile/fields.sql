-- News of a live record, and what each side would have golden be.

-- A text that a system took in other letters or spaces than it was sent in. While
-- golden and base are still those two, its people have seen golden.
CREATE OR REPLACE TEMP TABLE answered AS
SELECT d._key, d.system, r.field
FROM difference1 d
JOIN p_reads r ON r.system = d.system AND r.col = d.field
JOIN written_old w ON w._key = d._key AND w.system = d.system AND w.col = d.field AND w.state = 'value' AND w.value = d.golden
WHERE d.kind = 'refused' AND d.reason = 'altered' AND _letters(d.golden) = _letters(d.seen)
  AND NOT EXISTS (FROM p_reads o WHERE o.system = r.system AND o.field = r.field AND o.col <> r.col);

-- News: the system shows it, and it is neither what was judged last nor what
-- golden would look like there. A system that joins has no news where golden
-- has a value: those are differences to approve.
CREATE OR REPLACE TEMP TABLE news AS
SELECT n._key, n.system, n.field, n.state, n.value, n.base_state, n.base_value, p.version, p.ord,
       p.base_id IS NULL OR a.field IS NULL AND (n.base_state <> v.state OR n.base_value IS DISTINCT FROM v.value) AS unseen
FROM seen n
JOIN party p USING (_key, system)
JOIN golden_old g ON g._key = n._key AND g.field = n.field
JOIN view_old v ON v._key = n._key AND v.system = n.system AND v.field = n.field
LEFT JOIN answered a ON a._key = n._key AND a.system = n.system AND a.field = n.field
WHERE n.state IN ('value', 'null')
  AND (n.state <> n.base_state OR n.value IS DISTINCT FROM n.base_value)
  AND (n.state <> coalesce(v.state, 'absent') OR n.value IS DISTINCT FROM v.value)
  AND NOT (NOT p.joined AND p.base_id IS NULL AND p.fate NOT IN ('born', 'reborn') AND g.state <> 'unset');

-- A group is judged as one; while a field of it does not map, the group says nothing.
CREATE OR REPLACE TEMP TABLE blind AS
SELECT s._key, s.system, f.unit FROM seen s JOIN p_field f USING (field)
WHERE s.state = 'unknown' AND f.unit <> f.field GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE side_news AS
SELECT n._key, f.unit, n.system, bool_or(n.unseen) AS unseen
FROM news n JOIN p_field f USING (field)
ANTI JOIN blind b ON b._key = n._key AND b.system = n.system AND b.unit = f.unit
GROUP BY n._key, f.unit, n.system;

-- The ruling system: the first of the list that holds the key, maps the field,
-- and shows a value or has itself cleared it. One that is unknown now still
-- rules by what it last showed.
CREATE OR REPLACE TEMP TABLE ruler AS
SELECT p._key, a.unit, a.system
FROM party p
JOIN p_rank a USING (system)
JOIN p_rule u ON u.unit = a.unit AND u.kind = 'authority'
JOIN p_field f ON f.unit = a.unit
JOIN p_maps m ON m.system = a.system AND m.field = f.field
LEFT JOIN seen n ON n._key = p._key AND n.system = p.system AND n.field = f.field
LEFT JOIN base2 b ON b._key = p._key AND b.system = p.system AND b.field = f.field
WHERE p.fate IN ('born', 'live', 'reborn', 'revived')
  AND CASE WHEN n.state NOT IN ('absent', 'unknown') THEN n.state
           WHEN p.unknown <> '' OR p.id IS NOT NULL AND NOT p.old THEN b.state END IN ('value', 'null')
QUALIFY row_number() OVER (PARTITION BY p._key, a.unit ORDER BY a.rank) = 1;

-- What each side with news would have golden be. Of a group, a field that it
-- does not carry, or shows in words of its own, is golden's, else its base.
CREATE OR REPLACE TEMP TABLE claim AS
SELECT s._key, s.unit, s.system, f.field, dense_rank() OVER (ORDER BY s._key, s.unit, s.system) AS _variant, -- of golden
       coalesce(n.state IN ('value', 'null'), false) AS carried,
       g.state <> 'unset' AND (NOT carried OR n.state = coalesce(v.state, 'absent') AND n.value IS NOT DISTINCT FROM v.value
                                              AND (n.state <> g.state OR n.value IS DISTINCT FROM g.value)) AS leaves, -- it to golden
       CASE WHEN leaves THEN g.state WHEN carried THEN n.state ELSE coalesce(nullif(b.state, 'unsure'), 'unset') END AS state,
       CASE WHEN leaves THEN g.value WHEN carried THEN n.value ELSE b.value END AS value,
       n.state AS shown_state, n.value AS shown_value, b.version AS base_version, w.field IS NOT NULL AS is_news
FROM side_news s
JOIN p_field f USING (unit)
JOIN golden_old g ON g._key = s._key AND g.field = f.field
LEFT JOIN seen n ON n._key = s._key AND n.system = s.system AND n.field = f.field
LEFT JOIN view_old v ON v._key = s._key AND v.system = s.system AND v.field = f.field
LEFT JOIN news w ON w._key = s._key AND w.system = s.system AND w.field = f.field
LEFT JOIN base2 b ON b._key = s._key AND b.system = s.system AND b.field = f.field;

-- Golden as it would be with each of several claims.
CREATE OR REPLACE TEMP TABLE claimed AS
SELECT v._key, v._variant, g.field, coalesce(c.state, g.state) AS state,
       CASE WHEN c.state IS NULL THEN g.value ELSE c.value END AS value
FROM (SELECT _key, unit, _variant FROM (SELECT DISTINCT _key, unit, _variant FROM claim)
      QUALIFY count(*) OVER (PARTITION BY _key, unit) > 1) v
JOIN golden_old g USING (_key)
LEFT JOIN claim c ON c._variant = v._variant AND c.field = g.field;
