-- What was decided against whom, and what becomes base.

-- Every system's news that did not become golden, and golden's own value where
-- it lost against news that had not seen it.
CREATE OR REPLACE TEMP TABLE conflict AS
SELECT n._key, n.field, 'overridden' AS kind, n.system,
       CASE n.base_state WHEN 'value' THEN n.base_value END AS base,
       CASE n.state WHEN 'value' THEN n.value END AS seen,
       CASE g.state WHEN 'value' THEN g.value END AS golden,
       CASE d.state WHEN 'value' THEN d.value END AS chosen, d.reason
FROM news n
JOIN golden_old g ON g._key = n._key AND g.field = n.field
JOIN decided d ON d._key = n._key AND d.field = n.field
JOIN view_new v ON v._key = n._key AND v.system = n.system AND v.field = n.field
WHERE n.state <> coalesce(v.state, 'absent') OR n.value IS DISTINCT FROM v.value
   OR d.golden_lost AND d.winner = n.system
UNION ALL
SELECT f._key, '', 'presence', f.accused, NULL, NULL, NULL, f.rule, f.against
FROM fate f
LEFT JOIN finding0 o ON o._key = f._key AND o.kind = 'against_update' AND o.observed = f.against
WHERE f.against IS NOT NULL AND (f.fate <> 'held' OR o._key IS NULL);

-- Base follows what was judged, whether it won or not. A delete that stands
-- against an update has judged the update.
CREATE OR REPLACE TEMP TABLE base_record3 AS
SELECT p._key, p.system,
       CASE WHEN judged THEN p.id ELSE p.base_id END AS id,
       CASE WHEN judged THEN p.hash ELSE p.base_hash END AS hash,
       CASE WHEN judged THEN p.etag ELSE b.etag END AS etag,
       CASE WHEN judged THEN p.version ELSE p.base_version END AS version, judged
FROM (SELECT p.*, p.id IS NOT NULL AND CASE
              WHEN p.fate IN ('born', 'live', 'reborn', 'revived') THEN NOT p.old
              WHEN p.fate IN ('dies', 'dead') THEN p.old AND f.against IS NOT NULL AND coalesce(p.base_id = p.id, false)
              ELSE false END AS judged
      FROM party p JOIN fate f USING (_key)) p
LEFT JOIN base_record1 b ON b._key = p._key AND b.system = p.system
WHERE judged OR p.base_id IS NOT NULL;

-- The version of a field's base moves only with a payload that carried the field.
-- The base of a hold's contender stays where it is.
CREATE OR REPLACE TEMP TABLE base3 AS
WITH shown AS (
    SELECT o._key, o.system, o.field, coalesce(n.state, o.state) AS state,
           CASE WHEN n.state IS NULL THEN o.value ELSE n.value END AS value
    FROM seen0 o LEFT JOIN seen n ON n._key = o._key AND n.system = o.system AND n.field = o.field),
told AS (
    SELECT r._key, r.system, m.field, b.state AS base_state, b.value AS base_value, b.version AS base_version,
           f._key IS NOT NULL AS frozen, n.state, n.value, r.version,
           r.judged AND f._key IS NULL AND coalesce(n.state IN ('value', 'null', 'unset'), false) AS moves,
           coalesce(list_bool_and(list_transform(m.reads, lambda c: contains(o.present, ',' || c || ','))), true) AS carried
    FROM base_record3 r
    JOIN p_maps m USING (system)
    LEFT JOIN record o ON o._key = r._key AND o.system = r.system AND o.id = r.id
    LEFT JOIN frozen f ON f._key = r._key AND f.system = r.system AND f.field = m.field
    LEFT JOIN shown n ON n._key = r._key AND n.system = r.system AND n.field = m.field
    LEFT JOIN base2 b ON b._key = r._key AND b.system = r.system AND b.field = m.field)
SELECT _key, system, field, frozen,
       CASE WHEN moves THEN state ELSE coalesce(base_state, 'unset') END AS state,
       CASE WHEN moves THEN value ELSE base_value END AS value,
       CASE WHEN moves AND carried THEN version ELSE base_version END AS version
FROM told;
