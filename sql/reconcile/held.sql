-- What waits for a person, and golden without it.

CREATE OR REPLACE TEMP TABLE contending AS
SELECT n._key, n.unit, n.system FROM side_news n
LEFT JOIN ruler r ON r._key = n._key AND r.unit = n.unit
WHERE r.system IS NULL OR r.system = n.system;

-- Holds that are open and not decided, with what their contenders showed last.
CREATE OR REPLACE TEMP TABLE standing_hold AS
SELECT h._key, h.field AS unit, h.kind, h.golden, h.reason, f.fate, e.key AS system, e.value AS doc, p.unknown <> '' AS is_unknown
FROM (SELECT *, unnest(map_entries(from_json(contenders::JSON, '"MAP(VARCHAR, JSON)"'))) AS e FROM hold0 WHERE field <> '') h
JOIN fate f USING (_key)
JOIN party p ON p._key = h._key AND p.system = e.key
ANTI JOIN decision0 d ON d.hold = h.hold
WHERE f.fate IN ('live', 'revived', 'held') AND h.field IN (SELECT unit FROM p_field);

-- Golden has more of a field with news than the winner can show: what is beyond
-- that its people never saw.
CREATE OR REPLACE TEMP TABLE partial AS
SELECT DISTINCT m._key, m.unit, m.winner
FROM merged m
JOIN p_system s ON s.system = m.winner AND NOT s.takes_lossy
JOIN news n ON n._key = m._key AND n.system = m.winner AND n.field = m.field
JOIN golden_old g ON g._key = m._key AND g.field = m.field AND g.state = 'value'
LEFT JOIN view_old v ON v._key = m._key AND v.system = m.winner AND v.field = m.field
LEFT JOIN golden_said w ON w._key = m._key AND w.system = m.winner AND w.field = m.field
WHERE coalesce(v.state, 'absent') <> 'value' OR v.value <> CASE WHEN w.field IS NULL THEN g.value ELSE w.value END;

-- The winner's news is a value that we have replaced there twice within the guards'
-- window, by the same other value: two systems undo each other.
CREATE OR REPLACE TEMP TABLE swing AS
WITH replaced AS (
    SELECT a._key, a.system, a.col, a.before_text
    FROM applied_column a CROSS JOIN p_run r
    WHERE a.op = 'update'
    GROUP BY a._key, a.system, a.col, a.before_text, a.after_text HAVING count(*) FILTER (a.at_us > r.run_at_us - r.window_us) >= 2)
SELECT m._key, m.unit, m.winner, coalesce(min(split_part(g.source, ' ', 1)), 'golden') AS opponent
FROM (SELECT DISTINCT m._key, m.unit, m.winner
      FROM merged m
      JOIN news n ON n._key = m._key AND n.system = m.winner AND n.field = m.field
      JOIN party p ON p._key = m._key AND p.system = m.winner
      JOIN p_reads d ON d.system = m.winner AND d.field = m.field
      JOIN column_now o ON o._key = m._key AND o.system = m.winner AND o.id = p.id AND o.col = d.col AND o.state IN ('value', 'null')
      JOIN replaced a ON a._key = m._key AND a.system = m.winner AND a.col = d.col
                     AND a.before_text IS NOT DISTINCT FROM CASE o.state WHEN 'value' THEN o.value END) m
JOIN p_field f ON f.unit = m.unit
JOIN golden_old g ON g._key = m._key AND g.field = f.field
GROUP BY m._key, m.unit, m.winner;

-- News of a record that we made and whose answer was lost, in a field that the look
-- afterwards showed otherwise than it was sent, and that nobody has judged since: the
-- system altered ours, or somebody edited it.
CREATE OR REPLACE TEMP TABLE doubtful AS
SELECT c._key, c.unit, min(c.system) AS system
FROM contending c
JOIN p_field f USING (unit)
JOIN news n ON n._key = c._key AND n.system = c.system AND n.field = f.field AND n.base_state = 'unsure'
GROUP BY c._key, c.unit;

-- A hold goes on while one of its sides cannot be read; one of a kind that lasts
-- until nobody contends any more. News that nobody can tell from what we sent waits,
-- and so do news that would drop what their system cannot show; a merge that breaks a
-- check which held before is a hold of all fields that checks read.
CREATE OR REPLACE TEMP TABLE held AS
WITH waits AS (
    SELECT s._key, s.unit, s.kind, s.reason, 0 AS rank FROM standing_hold s
    LEFT JOIN contending c ON c._key = s._key AND c.unit = s.unit
    WHERE s.fate = 'held' OR s.is_unknown OR s.kind IN ('hold', 'oscillation') AND c._key IS NOT NULL
    UNION
    SELECT _key, unit, 'hold', 'the rule is hold', 1 FROM chosen WHERE kind = 'hold' AND many > 1
    UNION
    SELECT _key, unit, 'in_doubt', system || ' altered what we made it with, or somebody edited it', 2 FROM doubtful
    UNION
    SELECT _key, unit, 'lossy', 'golden has more than ' || winner || ' shows', 3 FROM partial
    UNION
    SELECT _key, unit, 'oscillation', winner || ' and ' || opponent || ' undo each other', 4 FROM swing
    UNION
    SELECT m._key, m.unit, 'check', 'check: ' || b.names, 5
    FROM merged m
    JOIN p_field f USING (unit)
    SEMI JOIN p_check c ON c.field = f.field
    JOIN (SELECT _key, string_agg(name, ', ' ORDER BY name) AS names FROM broken GROUP BY _key) b ON b._key = m._key
    WHERE m.winner IS NOT NULL)
FROM waits QUALIFY row_number() OVER (PARTITION BY _key, unit ORDER BY rank) = 1;

CREATE OR REPLACE TEMP TABLE golden_new AS
SELECT m._key, m.field,
       CASE WHEN h.unit IS NULL THEN m.state ELSE g.state END AS state,
       CASE WHEN h.unit IS NULL THEN m.value ELSE g.value END AS value,
       CASE WHEN h.unit IS NULL THEN m.source ELSE g.source END AS source,
       CASE WHEN h.unit IS NULL THEN m.edit_since ELSE g.edit_since END AS edit_since,
       CASE WHEN h.unit IS NULL THEN m.edit_until ELSE g.edit_until END AS edit_until
FROM merged m
JOIN golden_old g ON g._key = m._key AND g.field = m.field
LEFT JOIN held h ON h._key = m._key AND h.unit = m.unit;

-- Every side of a hold, as it is shown now; who cannot be read, as it was.
CREATE OR REPLACE TEMP TABLE hold_side AS
SELECT c._key, c.unit, c.system,
       '{"id":' || to_json(p.id) || ',"version":' || coalesce(p.version::VARCHAR, 'null') || ',"hash":' || p.hash || ',"fields":'
           || _object(list(to_json(f.field) || ':{"base_state":"' || coalesce(b.state, 'unset') || '","base":' || coalesce(to_json(b.value)::VARCHAR, 'null')
               || ',"state":"' || coalesce(n.state, 'absent') || '","value":' || coalesce(to_json(n.value)::VARCHAR, 'null') || '}')) || '}' AS doc
FROM contending c
SEMI JOIN held h ON h._key = c._key AND h.unit = c.unit
JOIN party p ON p._key = c._key AND p.system = c.system
JOIN p_field f ON f.unit = c.unit
LEFT JOIN seen n ON n._key = c._key AND n.system = c.system AND n.field = f.field
LEFT JOIN base2 b ON b._key = c._key AND b.system = c.system AND b.field = f.field
GROUP BY c._key, c.unit, c.system, p.id, p.version, p.hash
UNION ALL
SELECT s._key, s.unit, s.system, s.doc::VARCHAR FROM standing_hold s
SEMI JOIN held h ON h._key = s._key AND h.unit = s.unit
WHERE s.is_unknown OR s.fate = 'held';

CREATE OR REPLACE TEMP TABLE field_hold AS
SELECT h._key, h.unit AS field, h.kind, g.golden, s.contenders, h.reason
FROM held h
JOIN (SELECT _key, unit, _object(list(to_json(system) || ':' || doc)) AS contenders
      FROM hold_side GROUP BY _key, unit) s ON s._key = h._key AND s.unit = h.unit
JOIN (SELECT o._key, f.unit, _object(list(to_json(o.field) || ':{"state":"' || o.state || '","value":' || coalesce(to_json(o.value)::VARCHAR, 'null')
               || ',"source":' || coalesce(to_json(o.source)::VARCHAR, 'null') || '}')) AS golden
      FROM golden_old o JOIN p_field f USING (field) SEMI JOIN held h ON h._key = o._key AND h.unit = f.unit GROUP BY o._key, f.unit) g ON g._key = h._key AND g.unit = h.unit;

-- The bases of contenders stay where they are, and so do those of a group that says nothing.
CREATE OR REPLACE TEMP TABLE frozen AS
SELECT s._key, s.system, f.field, true AS held FROM hold_side s JOIN p_field f USING (unit)
UNION ALL
SELECT b._key, b.system, f.field, false FROM blind b JOIN p_field f USING (unit)
ANTI JOIN hold_side s ON s._key = b._key AND s.unit = b.unit AND s.system = b.system;

-- No system is sent a held field, nor one of a group that it does not say.
CREATE OR REPLACE TEMP TABLE silent AS
SELECT h._key, s.system, f.field FROM held h JOIN p_field f USING (unit) CROSS JOIN p_system s
UNION
SELECT b._key, b.system, f.field FROM blind b JOIN p_field f USING (unit);
