-- The outcomes of our own writes, taken in before anything new is judged.

-- What golden has a base for: the mapped fields of every system that holds the
-- key. Only what differs from golden is stored beside it.
CREATE OR REPLACE TEMP TABLE base0 AS
SELECT b._key, b.system, m.field,
       coalesce(b.fields[m.field].state, g.state) AS state,
       CASE WHEN b.fields[m.field].state IS NULL THEN g.value ELSE b.fields[m.field].value END AS value,
       CASE WHEN b.fields[m.field].state IS NULL THEN b.version ELSE b.fields[m.field].version END AS version
FROM base_record0 b
JOIN p_maps m USING (system)
JOIN golden0 g ON g._key = b._key AND g.field = m.field;

-- What the answers to done writes showed of the record, each judged as an
-- observation of the moment when the write was asked for.
CREATE OR REPLACE TEMP TABLE taught AS
SELECT o._key, o.system, o.change, o.op, o.outcome, o.at_us, a.id, a.hash, a.etag, a.version
FROM outcome o
JOIN golden_record0 g USING (_key)
JOIN answer a ON a._key = o._key AND a.system = o.system AND a.change = o.change
LEFT JOIN base_record0 b ON b._key = o._key AND b.system = o.system
WHERE o.outcome IN ('applied', 'applied_partly', 'already_true', 'not_kept')
  AND (o.op = 'create' OR o.op = 'update' AND b.id = a.id);

-- Records that we deleted: as if the system had never held them.
CREATE OR REPLACE TEMP TABLE undone AS
SELECT _key, system, id, at_us FROM outcome
WHERE op = 'delete' AND outcome IN ('applied', 'applied_partly', 'already_true');

CREATE OR REPLACE TEMP TABLE base_record1 AS
SELECT _key, system, id, hash, etag, version FROM taught
UNION ALL
SELECT b._key, b.system, b.id, b.hash, b.etag, b.version
FROM base_record0 b
LEFT JOIN taught t ON t._key = b._key AND t.system = b.system
LEFT JOIN undone u ON u._key = b._key AND u.system = b.system AND u.id = b.id
WHERE t._key IS NULL AND u._key IS NULL;

-- Entity fields that a write touched: their mapping reads a column that was sent and taken.
CREATE OR REPLACE TEMP TABLE sent_field AS
SELECT DISTINCT c._key, c.system, r.field
FROM outcome_column c
JOIN p_reads r ON r.system = c.system AND r.col = c.col
WHERE c.op = 'update' AND c.outcome IN ('applied', 'applied_partly', 'already_true', 'not_kept', 'altered');

-- Entity fields of a record that we made, as a look after a doubt showed them: not
-- as they were sent, so ours was altered, or somebody has edited it since. That look
-- is not the answer: their base is unsure until somebody has judged what they show.
CREATE OR REPLACE TEMP TABLE unsure_field AS
SELECT DISTINCT c._key, c.system, r.field
FROM outcome_column c
JOIN p_reads r ON r.system = c.system AND r.col = c.col
WHERE c.op = 'create' AND c.outcome = 'unknown';

-- The answer to a create is base for all its fields; the answer to an update
-- for those that were sent. A null is base only where golden had been cleared.
-- A write that did not send a field does not move the version of its base.
CREATE OR REPLACE TEMP TABLE base1 AS
SELECT r._key, r.system, m.field,
       CASE WHEN t.op = 'create' AND u.field IS NOT NULL THEN 'unsure'
            WHEN t.op = 'create' AND (a.state = 'value' OR a.state = 'null' AND g.state = 'null') THEN a.state
            WHEN t.op = 'create' THEN 'unset'
            WHEN t.op = 'update' AND s.field IS NOT NULL AND a.state IN ('value', 'null') THEN a.state
            ELSE b.state END AS state,
       CASE WHEN t.op = 'create' AND a.state = 'value' AND u.field IS NULL THEN a.value
            WHEN t.op = 'create' THEN NULL
            WHEN t.op = 'update' AND s.field IS NOT NULL AND a.state IN ('value', 'null') THEN a.value
            ELSE b.value END AS value,
       CASE WHEN t.op = 'create' AND u.field IS NOT NULL THEN NULL
            WHEN t.op = 'create' OR t.op = 'update' AND s.field IS NOT NULL AND a.state IN ('value', 'null') THEN t.version
            ELSE b.version END AS version
FROM base_record1 r
JOIN p_maps m USING (system)
JOIN cell l ON l._key = r._key AND l.field = m.field
LEFT JOIN base0 b ON b._key = r._key AND b.system = r.system AND b.field = m.field
LEFT JOIN taught t ON t._key = r._key AND t.system = r.system
LEFT JOIN answer_field a ON a._key = r._key AND a.system = r.system AND a.change = t.change AND a.field = m.field
LEFT JOIN sent_field s ON s._key = r._key AND s.system = r.system AND s.field = m.field
LEFT JOIN unsure_field u ON u._key = r._key AND u.system = r.system AND u.field = m.field
LEFT JOIN golden0 g ON g._key = r._key AND g.field = m.field;

-- What we did not send are the system's defaults: golden takes them where it has nothing.
CREATE OR REPLACE TEMP TABLE golden1 AS
WITH defaults AS (
    SELECT t._key, a.field, a.system, a.value
    FROM taught t
    JOIN answer_field a ON a._key = t._key AND a.system = t.system AND a.change = t.change
    JOIN p_system s ON s.system = t.system
    ANTI JOIN unsure_field u ON u._key = t._key AND u.system = t.system AND u.field = a.field
    WHERE t.op = 'create' AND a.state = 'value'
    QUALIFY row_number() OVER (PARTITION BY t._key, a.field ORDER BY s.ord) = 1)
SELECT _key, field, CASE WHEN fills THEN 'value' ELSE state END AS state,
       CASE WHEN fills THEN default_value ELSE value END AS value, CASE WHEN fills THEN default_system ELSE source END AS source,
       edit_since, edit_until
FROM (
    SELECT g.*, d.value AS default_value, d.system AS default_system, d.field IS NOT NULL AND g.state = 'unset' AND r.live AS fills
    FROM golden0 g
    JOIN golden_record0 r USING (_key)
    LEFT JOIN defaults d ON d._key = g._key AND d.field = g.field);

CREATE OR REPLACE TEMP TABLE link1 AS
WITH learnt AS (
    SELECT _key, system, id, 'live' AS state, at_us FROM taught WHERE op = 'create'
    UNION ALL
    SELECT _key, system, id, 'deleted', at_us FROM undone)
SELECT coalesce(n._key, l._key) AS _key, coalesce(n.system, l.system) AS system, coalesce(n.id, l.id) AS id,
       coalesce(n.state, l.state) AS state,
       CASE WHEN n.state IS NULL OR n.state = 'live' AND l.state = 'live' THEN l.at_us ELSE n.at_us END AS at_us, l.told_us
FROM link0 l FULL JOIN learnt n ON n._key = l._key AND n.system = l.system AND n.id = l.id;

-- An ID that was on its way when golden gave the key up belongs to the life that ended.
CREATE OR REPLACE TEMP TABLE tombstone_id1 AS
SELECT _key, system, id FROM tombstone_id0
UNION
SELECT t._key, t.system, t.id
FROM taught t JOIN golden_record0 g USING (_key) JOIN tombstone0 d USING (_key)
WHERE t.op = 'create' AND NOT g.live;

-- What a system will not take is a known difference until either side changes.
CREATE OR REPLACE TEMP TABLE difference1 AS
WITH learnt AS (
    SELECT _key, system, '' AS field, 'refused' AS kind, effect AS golden, NULL::VARCHAR AS seen, outcome AS reason
    FROM outcome WHERE op <> 'update' AND outcome IN ('rejected', 'refused', 'not_kept')
    UNION ALL
    SELECT c._key, c.system, c.col, 'refused', c.after_text,
           CASE WHEN c.outcome IN ('not_kept', 'altered') AND w.change IS NOT NULL THEN a.value ELSE c.before_text END, c.outcome
    FROM outcome_column c
    LEFT JOIN answer w ON w._key = c._key AND w.system = c.system AND w.change = c.change
    LEFT JOIN answer_column a ON a._key = c._key AND a.system = c.system AND a.change = c.change AND a.col = c.col
    WHERE c.op = 'update' AND c.outcome IN ('rejected', 'refused', 'not_kept', 'altered')),
-- The same write done three times within the window: the system sets it back.
flapping AS (
    SELECT c._key, c.system, c.col AS field, 'refused' AS kind, c.after_text AS golden, c.before_text AS seen, 'sent three times and not kept' AS reason
    FROM applied_column c CROSS JOIN p_run r
    ANTI JOIN learnt l ON l._key = c._key AND l.system = c.system AND l.field = c.col
    WHERE c.op = 'update'
    GROUP BY c._key, c.system, c.col, c.after_text, c.before_text HAVING count(*) FILTER (c.at_us > r.run_at_us - r.window_us) >= 3
    QUALIFY row_number() OVER (PARTITION BY c._key, c.system, c.col ORDER BY max(c.at_us) DESC, c.after_text, c.before_text) = 1)
SELECT * FROM learnt
UNION ALL
SELECT * FROM flapping
UNION ALL
SELECT d._key, d.system, d.field, d.kind, d.golden, d.seen, d.reason
FROM difference0 d
ANTI JOIN (SELECT _key, system, field FROM learnt UNION ALL SELECT _key, system, field FROM flapping) l
    ON l._key = d._key AND l.system = d.system AND l.field = d.field;
