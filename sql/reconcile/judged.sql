-- What was decided against whom, and what becomes base.

-- Two or more contenders always leave a row for each side, and so does every
-- system's news that did not become golden. A hold leaves them when it opens or
-- what its sides show changes.
CREATE OR REPLACE TEMP TABLE conflict AS
SELECT n._key, n.field, CASE WHEN h._key IS NOT NULL THEN 'held' WHEN k._key IS NOT NULL THEN 'conflict' ELSE 'overridden' END AS kind, n.system,
       CASE n.base_state WHEN 'value' THEN n.base_value END AS base,
       CASE n.state WHEN 'value' THEN n.value END AS seen,
       CASE g.state WHEN 'value' THEN g.value END AS golden,
       CASE d.state WHEN 'value' THEN d.value END AS chosen, coalesce(h.reason, m.reason) AS reason
FROM news n
JOIN p_field f USING (field)
JOIN golden_old g ON g._key = n._key AND g.field = n.field
JOIN golden_new d ON d._key = n._key AND d.field = n.field
JOIN merged m ON m._key = n._key AND m.field = n.field
JOIN view_new v ON v._key = n._key AND v.system = n.system AND v.field = n.field
LEFT JOIN held h ON h._key = n._key AND h.unit = f.unit
LEFT JOIN (SELECT h._key, h.field AS unit FROM field_hold h
           LEFT JOIN hold0 o ON o._key = h._key AND o.field = h.field AND o.kind = h.kind
           WHERE from_json(o.contenders::JSON, '"MAP(VARCHAR, STRUCT(id VARCHAR, fields MAP(VARCHAR, STRUCT(state VARCHAR, value VARCHAR))))"')
               IS DISTINCT FROM from_json(h.contenders::JSON, '"MAP(VARCHAR, STRUCT(id VARCHAR, fields MAP(VARCHAR, STRUCT(state VARCHAR, value VARCHAR))))"')) c
       ON c._key = n._key AND c.unit = f.unit
LEFT JOIN kept k ON k._key = n._key AND k.unit = f.unit AND k.name = n.system AND k.many > 1
ANTI JOIN blind b ON b._key = n._key AND b.system = n.system AND b.unit = f.unit
WHERE CASE WHEN h._key IS NOT NULL THEN c._key IS NOT NULL
           ELSE k._key IS NOT NULL OR n.state <> coalesce(v.state, 'absent') OR n.value IS DISTINCT FROM v.value END
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
           coalesce(f.held, false) AS frozen, n.state, n.value, r.version,
           r.judged AND f._key IS NULL AND coalesce(n.state IN ('value', 'null', 'unset'), false) AS moves,
           o.whole OR coalesce(list_bool_and(list_transform(m.reads, lambda c: contains(o.present, ',' || c || ','))), true) AS carried
    FROM base_record3 r
    JOIN p_maps m USING (system)
    JOIN cell l ON l._key = r._key AND l.field = m.field
    LEFT JOIN record o ON o._key = r._key AND o.system = r.system AND o.id = r.id
    LEFT JOIN frozen f ON f._key = r._key AND f.system = r.system AND f.field = m.field
    LEFT JOIN shown n ON n._key = r._key AND n.system = r.system AND n.field = m.field
    LEFT JOIN base2 b ON b._key = r._key AND b.system = r.system AND b.field = m.field)
SELECT _key, system, field, frozen,
       CASE WHEN moves THEN state ELSE coalesce(base_state, 'unset') END AS state,
       CASE WHEN moves THEN value ELSE base_value END AS value,
       CASE WHEN moves AND carried THEN version ELSE base_version END AS version
FROM told;

-- A difference that a person left stays as it was shown, until either side changes.
CREATE OR REPLACE TEMP TABLE pin AS
SELECT DISTINCT s._key, s.system, w.col AS field, 'pinned' AS kind, CASE w.state WHEN 'value' THEN w.value END AS golden,
       CASE o.state WHEN 'value' THEN o.value END AS seen, 'left by a person' AS reason
FROM settled s
JOIN mapped m ON m._key = s._key AND m.system = s.system AND m.id = s.id AND m.field = s.field AND m.state = s.state AND m.value IS NOT DISTINCT FROM s.value
JOIN p_serves v ON v.system = s.system AND v.field = s.field
JOIN written_new w ON w._key = s._key AND w.system = s.system AND w.col = v.col AND w.state IN ('value', 'null')
JOIN column_now o ON o._key = s._key AND o.system = s.system AND o.id = s.id AND o.col = v.col AND o.state IN ('value', 'null')
WHERE s.leave AND (w.state <> o.state OR w.value IS DISTINCT FROM o.value);

DELETE FROM difference1 USING pin p WHERE p._key = difference1._key AND p.system = difference1.system AND p.field = difference1.field;
INSERT INTO difference1 FROM pin;
