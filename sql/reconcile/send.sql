-- What would have to be written to make every known system agree with golden,
-- and what stays apart, and why.

CREATE OR REPLACE TEMP TABLE addressee AS
SELECT p.*, s.can_create, s.can_update, s.can_delete, p.fate IN ('born', 'live', 'reborn', 'revived') AS live
FROM party p JOIN p_system s USING (system)
WHERE p.unknown = '' AND (s.due OR s.checked) AND p.fate NOT IN ('held', 'nothing');

-- Records that golden gave up, and that nobody may delete.
CREATE OR REPLACE TEMP TABLE leftover AS
SELECT a._key, a.system, a.id, a.live
FROM addressee a
LEFT JOIN link2 l ON l._key = a._key AND l.system = a.system AND l.id = a.id
WHERE a.old AND (NOT a.can_delete OR coalesce(l.state, '') <> 'live');

-- What the system or a person refused before.
CREATE OR REPLACE TEMP TABLE refused AS
SELECT d.* FROM difference1 d JOIN addressee a USING (_key, system) WHERE d.kind <> 'overridden';

-- Columns that nobody may write now: they serve a field that waits for a person.
CREATE OR REPLACE TEMP TABLE waiting_column AS
SELECT DISTINCT h._key, h.system, s.col FROM silent h JOIN p_serves s ON s.system = h.system AND s.field = h.field;

CREATE OR REPLACE TEMP TABLE differing AS
SELECT n._key, n.system, n.field, v.value AS want, n.mapped_value AS shown
FROM addressee a
JOIN scope_new c ON c._key = a._key AND c.system = a.system AND c.in_scope
JOIN seen n ON n._key = a._key AND n.system = a.system
JOIN view_new v ON v._key = n._key AND v.system = n.system AND v.field = n.field
ANTI JOIN silent h ON h._key = n._key AND h.system = n.system AND h.field = n.field
WHERE n.mapped_state IN ('value', 'null') AND v.state IN ('value', 'null') AND NOT n.lagging
  AND (n.mapped_state <> v.state OR n.mapped_value IS DISTINCT FROM v.value);

-- Columns that an update would change: those that serve a differing field, were
-- shown before, and do not lag behind our own write.
CREATE OR REPLACE TEMP TABLE update_column AS
SELECT a._key, a.system, w.col,
       CASE o.state WHEN 'value' THEN o.value END AS before_text,
       CASE w.state WHEN 'value' THEN w.value END AS after_text,
       coalesce(r.golden IS NOT DISTINCT FROM after_text AND r.seen IS NOT DISTINCT FROM before_text AND r._key IS NOT NULL, false) AS refused
FROM addressee a
JOIN written_new w ON w._key = a._key AND w.system = a.system
JOIN column_now o ON o._key = a._key AND o.system = a.system AND o.id = a.id AND o.col = w.col
JOIN (
    SELECT d._key, d.system, s.col FROM differing d JOIN p_serves s ON s.system = d.system AND s.field = d.field GROUP BY ALL) d
    ON d._key = a._key AND d.system = a.system AND d.col = w.col
ANTI JOIN (
    SELECT n._key, n.system, s.col FROM seen n JOIN p_reads s ON s.system = n.system AND s.field = n.field WHERE n.lagging) l
    ON l._key = a._key AND l.system = a.system AND l.col = w.col
ANTI JOIN waiting_column h ON h._key = a._key AND h.system = a.system AND h.col = w.col
LEFT JOIN refused r ON r._key = a._key AND r.system = a.system AND r.field = w.col
WHERE a.can_update AND w.state IN ('value', 'null') AND o.state IN ('value', 'null')
  AND (w.state <> o.state OR w.value IS DISTINCT FROM o.value);

-- When each system last had the key, and whether it lost it in this life by a
-- delete that was not ours.
CREATE OR REPLACE TEMP TABLE last_link AS
SELECT l._key, l.system, max(l.at_us) AS at_us, bool_or(l.state IN ('gone', 'moved') AND t.id IS NULL) AS deleted_there
FROM link2 l
LEFT JOIN tombstone_id2 t ON t._key = l._key AND t.system = l.system AND t.id = l.id
GROUP BY l._key, l.system;

CREATE OR REPLACE TEMP TABLE uncreated AS
SELECT a._key, a.system, coalesce(l.at_us, 0) AS link_us,
       coalesce(l.deleted_there, false) AND NOT r.recreate AS waits
FROM addressee a
CROSS JOIN p_run r
JOIN scope_new c ON c._key = a._key AND c.system = a.system AND c.in_scope
LEFT JOIN last_link l ON l._key = a._key AND l.system = a.system
WHERE a.live AND a.id IS NULL AND a.can_create;

-- Records that belonged into a system and do no more. They are kept there, with a
-- finding, and still contend; or they are deleted there, by themselves or once a
-- person approved that. Nothing leaves while a field that the scope reads waits.
CREATE OR REPLACE TEMP TABLE leaver AS
SELECT a._key, a.system, a.id, s.leave = 'hold' AS asks, s.leave <> 'keep' AND w._key IS NULL AS goes
FROM addressee a
JOIN p_system s USING (system)
JOIN scope_new n ON n._key = a._key AND n.system = a.system AND NOT n.in_scope
LEFT JOIN scope_old o ON o._key = a._key AND o.system = a.system AND o.in_scope
LEFT JOIN finding0 f ON f._key = a._key AND f.system = a.system AND f.kind = 'left_scope'
LEFT JOIN golden_record0 g ON g._key = a._key
LEFT JOIN (SELECT DISTINCT h._key, c.system FROM (SELECT _key, unnest(string_split(field, ',')) AS field FROM field_hold) h JOIN p_scoped c USING (field)) w
    ON w._key = a._key AND w.system = a.system
WHERE a.live AND a.id IS NOT NULL AND NOT a.old AND (o._key IS NOT NULL AND g.live OR f._key IS NOT NULL);

CREATE OR REPLACE TEMP TABLE proposal AS
WITH body AS (
    SELECT _key, system, 'update' AS op,
           _object(list(to_json(col) || ':' || coalesce(to_json(before_text)::VARCHAR, 'null'))) AS before,
           _object(list(to_json(col) || ':' || coalesce(to_json(after_text)::VARCHAR, 'null'))) AS after,
           0 AS link_us
    FROM update_column WHERE NOT refused GROUP BY _key, system
    UNION ALL
    SELECT u._key, u.system, 'create', '{}',
           _object(list(to_json(w.col) || ':' || coalesce(to_json(CASE w.state WHEN 'value' THEN w.value END)::VARCHAR, 'null'))),
           any_value(u.link_us)
    FROM uncreated u JOIN written_new w USING (_key, system)
    LEFT JOIN waiting_column h ON h._key = w._key AND h.system = w.system AND h.col = w.col
    WHERE NOT u.waits AND w.state IN ('value', 'null') GROUP BY u._key, u.system HAVING count(h.col) = 0
    UNION ALL
    SELECT a._key, a.system, 'delete',
           coalesce(_object(list(to_json(o.col) || ':' || coalesce(to_json(CASE o.state WHEN 'value' THEN o.value END)::VARCHAR, 'null')) FILTER (o.col IS NOT NULL)), '{}'),
           '{}', 0
    FROM addressee a
    JOIN link2 l ON l._key = a._key AND l.system = a.system AND l.id = a.id AND l.state = 'live'
    LEFT JOIN column_now o ON o._key = a._key AND o.system = a.system AND o.id = a.id AND o.state IN ('value', 'null') AND o.mapped
    LEFT JOIN leaver v ON v._key = a._key AND v.system = a.system AND v.goes
    WHERE (a.old OR v._key IS NOT NULL) AND a.can_delete GROUP BY a._key, a.system)
SELECT b._key, b.system, b.op, b.before, b.after,
       sha256(concat_ws(chr(31), b.system, k.key, b.op, b.before, b.after)) AS effect,
       CASE WHEN b.op <> 'create' THEN a.id END AS id, b.link_us,
       CASE WHEN b.op <> 'create' THEN a.hash END AS hash,
       CASE WHEN b.op <> 'create' THEN a.version END AS version,
       CASE WHEN b.op <> 'create' THEN a.etag END AS etag,
       CASE WHEN b.op <> 'create' THEN a.asked_us END AS asked_us,
       -- A system that cannot be read now still holds what it was judged by.
       b.op = 'create' AND NOT EXISTS (
           FROM party h WHERE h._key = b._key AND h.joined
               AND CASE WHEN h.unknown <> '' THEN h.base_id ELSE h.id END IS NOT NULL AND NOT h.old) AS unjoined,
       coalesce(v.asks AND b.op = 'delete', false) AS asks
FROM body b
JOIN addressee a USING (_key, system)
JOIN cand k USING (_key)
LEFT JOIN leaver v ON v._key = b._key AND v.system = b.system;

CREATE OR REPLACE TEMP TABLE want AS
SELECT p.* FROM proposal p
ANTI JOIN refused r ON r._key = p._key AND r.system = p.system AND r.field = '' AND r.golden = p.effect;

CREATE OR REPLACE TEMP TABLE difference2 AS
WITH standing AS (
    SELECT d._key, d.system, d.field, d.kind, d.golden, d.seen, d.reason FROM difference1 d
    ANTI JOIN addressee a ON a._key = d._key AND a.system = d.system
    UNION ALL
    SELECT r._key, r.system, r.field, r.kind, r.golden, r.seen, r.reason FROM refused r
    JOIN update_column u ON u._key = r._key AND u.system = r.system AND u.col = r.field AND u.refused
    UNION ALL
    -- While the column waits for a person, what was refused before stays refused.
    SELECT r._key, r.system, r.field, r.kind, r.golden, r.seen, r.reason FROM refused r
    JOIN waiting_column h ON h._key = r._key AND h.system = r.system AND h.col = r.field
    JOIN addressee a ON a._key = r._key AND a.system = r.system AND a.live AND NOT a.old
    JOIN scope_new c ON c._key = a._key AND c.system = a.system AND c.in_scope
    JOIN written_new w ON w._key = r._key AND w.system = r.system AND w.col = r.field AND w.state IN ('value', 'null')
    JOIN column_now o ON o._key = r._key AND o.system = r.system AND o.id = a.id AND o.col = r.field AND o.state IN ('value', 'null')
    WHERE r.golden IS NOT DISTINCT FROM CASE w.state WHEN 'value' THEN w.value END
      AND r.seen IS NOT DISTINCT FROM CASE o.state WHEN 'value' THEN o.value END
    UNION ALL
    SELECT r._key, r.system, r.field, r.kind, r.golden, r.seen, r.reason FROM refused r
    JOIN proposal p ON p._key = r._key AND p.system = r.system AND r.field = '' AND p.effect = r.golden)
FROM standing
UNION ALL
SELECT d._key, d.system, d.field, 'overridden', g.value, d.shown, 'not written to this system'
FROM differing d
JOIN golden_new g ON g._key = d._key AND g.field = d.field
ANTI JOIN (SELECT u._key, u.system, r.field FROM update_column u JOIN p_reads r ON r.system = u.system AND r.col = u.col) c
    ON c._key = d._key AND c.system = d.system AND c.field = d.field
ANTI JOIN (SELECT h._key, h.system, r.field FROM waiting_column h JOIN p_reads r ON r.system = h.system AND r.col = h.col) h
    ON h._key = d._key AND h.system = d.system AND h.field = d.field
ANTI JOIN standing s ON s._key = d._key AND s.system = d.system AND s.field = d.field
UNION ALL
-- A group of which a field does not map is neither news nor sent, so what differs in it stays.
SELECT n._key, n.system, n.field, 'overridden', g.value, n.mapped_value, 'another field of its group cannot be read'
FROM addressee a
JOIN scope_new c ON c._key = a._key AND c.system = a.system AND c.in_scope
JOIN seen n ON n._key = a._key AND n.system = a.system
JOIN p_field f ON f.field = n.field
JOIN blind b ON b._key = n._key AND b.system = n.system AND b.unit = f.unit
JOIN view_new v ON v._key = n._key AND v.system = n.system AND v.field = n.field
JOIN golden_new g ON g._key = n._key AND g.field = n.field
ANTI JOIN held h ON h._key = n._key AND h.unit = f.unit
ANTI JOIN standing s ON s._key = n._key AND s.system = n.system AND s.field = n.field
WHERE n.mapped_state IN ('value', 'null') AND v.state IN ('value', 'null') AND NOT n.lagging
  AND (n.mapped_state <> v.state OR n.mapped_value IS DISTINCT FROM v.value)
UNION ALL
SELECT n._key, n.system, n.field, 'overridden', g.value, NULL, 'never shown by this system, so it is not sent'
FROM addressee a
JOIN scope_new c ON c._key = a._key AND c.system = a.system AND c.in_scope
JOIN seen n ON n._key = a._key AND n.system = a.system AND n.mapped_state = 'absent'
JOIN view_new v ON v._key = n._key AND v.system = n.system AND v.field = n.field AND v.state = 'value'
JOIN p_maps m ON m.system = n.system AND m.field = n.field AND m.writes
JOIN golden_new g ON g._key = n._key AND g.field = n.field
ANTI JOIN standing s ON s._key = n._key AND s.system = n.system AND s.field = n.field
UNION ALL
SELECT u._key, u.system, '', 'overridden', NULL, NULL, 'deleted there; recreate: hold' FROM uncreated u WHERE u.waits
UNION ALL
SELECT _key, system, '', 'overridden', NULL, id, 'deleted elsewhere; this system declares no delete' FROM leftover
UNION ALL
-- A new life began beside it: what it says otherwise.
SELECT n._key, n.system, n.field, 'overridden', g.value, n.mapped_value, 'of a record that was deleted elsewhere'
FROM leftover a
JOIN scope_new c ON c._key = a._key AND c.system = a.system AND c.in_scope
JOIN seen0 n ON n._key = a._key AND n.system = a.system
JOIN view_new v ON v._key = n._key AND v.system = n.system AND v.field = n.field
JOIN golden_new g ON g._key = n._key AND g.field = n.field
ANTI JOIN silent h ON h._key = n._key AND h.system = n.system AND h.field = n.field
WHERE a.live AND n.mapped_state IN ('value', 'null') AND v.state IN ('value', 'null') AND NOT n.lagging
  AND (n.mapped_state <> v.state OR n.mapped_value IS DISTINCT FROM v.value);

-- What a person should know. A finding about a system that is not spoken to now
-- is neither confirmed nor resolved.
CREATE OR REPLACE TEMP TABLE finding1 AS
WITH wanted AS (
    SELECT _key, 'twins' AS kind, 'high' AS severity, system, ids AS observed FROM party WHERE unknown = 'twins'
    UNION ALL
    SELECT p._key, 'stale', 'low', p.system, s.ids FROM party p JOIN side0 s USING (_key, system) WHERE p.unknown = 'stale'
    UNION ALL
    SELECT _key, 'against_update', 'high', accused, against FROM fate WHERE fate = 'held'
    UNION ALL
    SELECT _key, 'deleted_elsewhere', 'low', system, '' FROM uncreated WHERE waits
    UNION ALL
    SELECT _key, 'left_scope', 'low', system, id FROM leaver
    UNION ALL
    SELECT u._key, 'flapping', 'high', u.system, string_agg(u.col, ' ' ORDER BY u.col)
    FROM update_column u
    JOIN refused r ON r._key = u._key AND r.system = u.system AND r.field = u.col AND r.reason = 'sent three times and not kept'
    WHERE u.refused GROUP BY u._key, u.system)
FROM wanted
UNION ALL
SELECT f._key, f.kind, f.severity, f.system, f.observed
FROM finding0 f
JOIN party p ON p._key = f._key AND p.system = f.system
JOIN p_system s ON s.system = f.system AND (p.unknown <> '' OR NOT (s.due OR s.checked))
ANTI JOIN wanted w ON w._key = f._key AND w.kind = f.kind AND w.system = f.system;

-- How much each system told of its records: news, fields that were cleared,
-- records that are gone, versions that went back. A record that is new to golden
-- counts for none of them, nor does what a person was shown and approved, nor news
-- and deletes that wait for a person already.
CREATE OR REPLACE TEMP TABLE input AS
WITH sides AS (
    SELECT _key, unnest(map_entries(from_json(contenders::JSON, '"MAP(VARCHAR, STRUCT(fields MAP(VARCHAR, STRUCT(state VARCHAR, value VARCHAR))))"'))) AS side
    FROM hold0 WHERE field <> ''),
waiting AS (SELECT _key, side.key AS system, unnest(map_entries(side.value.fields)) AS shown FROM sides),
told AS (
    SELECT DISTINCT n._key, n.system, unnest(CASE WHEN n.state = 'null' THEN ['news', 'nulls'] ELSE ['news'] END) AS kind
    FROM news n
    ANTI JOIN waiting w ON w._key = n._key AND w.system = n.system AND w.shown.key = n.field AND w.shown.value.state = n.state
                       AND w.shown.value.value IS NOT DISTINCT FROM n.value
    UNION ALL
    SELECT s._key, s.system, 'deletes' FROM side s
    JOIN golden_record0 g ON g._key = s._key AND g.live
    ANTI JOIN (FROM finding0 WHERE kind = 'against_update') o ON o._key = s._key
    WHERE s.unknown = '' AND s.id IS NULL AND s.base_id IS NOT NULL AND (s.gone OR s.moved)
    UNION ALL
    SELECT _key, system, 'stale' FROM went_back)
SELECT t._key, t.system, t.kind, coalesce(s.id, s.base_id) AS id, r.asked_us
FROM told t
JOIN side s ON s._key = t._key AND s.system = t.system AND s.joined AND s.unknown <> 'quarantined'
JOIN fate f ON f._key = t._key AND (t.kind = 'stale' OR f.fate NOT IN ('born', 'reborn'))
JOIN (SELECT _key, system, max(asked_us) AS asked_us FROM record GROUP BY _key, system) r ON r._key = t._key AND r.system = t.system
LEFT JOIN lifted l ON l.system = t.system
WHERE r.asked_us > coalesce(l.up_to_us, 0);
