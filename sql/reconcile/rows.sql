-- What this range of keys adds to the tables: only rows that say something new.

CREATE OR REPLACE TEMP TABLE meta AS
SELECT k._khash, k.key, k._key,
       CASE f.fate WHEN 'held' THEN g.live WHEN 'dies' THEN false WHEN 'dead' THEN false ELSE true END AS live,
       coalesce(g.version, 0) + (moved.yes)::BIGINT AS version,
       CASE WHEN moved.yes THEN r.run_at_us ELSE g.changed_us END AS changed_us
FROM cand k
JOIN fate f USING (_key)
CROSS JOIN p_run r
LEFT JOIN golden_record0 g USING (_key)
CROSS JOIN LATERAL (SELECT
    g._key IS NULL
    OR g.live <> CASE f.fate WHEN 'held' THEN g.live WHEN 'dies' THEN false WHEN 'dead' THEN false ELSE true END
    OR EXISTS (SELECT 1 FROM golden_new n JOIN golden0 o ON o._key = n._key AND o.field = n.field
               WHERE n._key = k._key AND (n.state <> o.state OR n.value IS DISTINCT FROM o.value)) AS yes) moved
WHERE f.fate <> 'nothing';

-- Where golden's fields come from. The text stands unless that of a field moved.
CREATE OR REPLACE TEMP TABLE source_text AS
WITH moved AS (
    SELECT DISTINCT n._key FROM golden_new n LEFT JOIN golden0 o ON o._key = n._key AND o.field = n.field
    WHERE n.source IS DISTINCT FROM o.source OR n.edit_since IS DISTINCT FROM o.edit_since OR n.edit_until IS DISTINCT FROM o.edit_until),
stored AS (
    SELECT _key, s.key AS field, s.value AS source, edited[s.key].since AS edit_since, edited[s.key].until AS edit_until
    FROM (SELECT _key, unnest(map_entries(CAST(coalesce(_sources, '{}')::JSON AS MAP(VARCHAR, VARCHAR)))) AS s,
                 from_json(coalesce(_edited, '{}')::JSON, '"MAP(VARCHAR, STRUCT(since BIGINT, until BIGINT))"') AS edited
          FROM golden_now SEMI JOIN moved USING (_key))),
named AS (
    SELECT _key, field, source, edit_since, edit_until FROM golden_new SEMI JOIN moved USING (_key) WHERE source IS NOT NULL
    UNION ALL
    SELECT s.* FROM stored s ANTI JOIN cell c ON c._key = s._key AND c.field = s.field)
SELECT _key, _object(list(to_json(field) || ':' || to_json(source))) AS sources,
       _object(list(to_json(field) || ':{"since":' || coalesce(edit_since::VARCHAR, 'null') || ',"until":' || coalesce(edit_until::VARCHAR, 'null') || '}')
           FILTER (edit_since IS NOT NULL OR edit_until IS NOT NULL)) AS edited
FROM named GROUP BY _key
UNION ALL
SELECT _key, _sources, _edited FROM golden_now ANTI JOIN moved USING (_key);

-- Base is stored only where it differs from golden, or was judged under another
-- version than the record.
CREATE OR REPLACE TEMP TABLE base_text AS
SELECT r._key, r.system, any_value(r.id) AS id, any_value(r.hash) AS hash, any_value(r.etag) AS etag, any_value(r.version) AS version,
       _object(list(to_json(b.field) || ':{"state":' || to_json(b.state)
            || ',"value":' || CASE b.state WHEN 'value' THEN to_json(b.value)::VARCHAR ELSE 'null' END
            || ',"version":' || coalesce(b.version::VARCHAR, 'null') || CASE WHEN b.frozen THEN ',"frozen":true' ELSE '' END || '}')
            FILTER (b.field IS NOT NULL)) AS fields
FROM base_record3 r
LEFT JOIN (
    SELECT b.* FROM base3 b JOIN golden_new g ON g._key = b._key AND g.field = b.field
    JOIN base_record3 o ON o._key = b._key AND o.system = b.system
    WHERE b.state <> g.state OR b.value IS DISTINCT FROM g.value OR b.version IS DISTINCT FROM o.version OR b.frozen) b
    ON b._key = r._key AND b.system = r.system
GROUP BY r._key, r.system;

INSERT INTO out_crosswalk
SELECT k._khash, k.key, l.system, l.id, l.state, r.run, make_timestamptz(l.at_us), make_timestamptz(l.told_us)
FROM (
    SELECT l._key, l.system, l.id, l.state, l.at_us, CASE WHEN i.id IS NOT NULL THEN (SELECT run_at_us FROM p_run) ELSE l.told_us END AS told_us
    FROM link2 l
    LEFT JOIN (SELECT DISTINCT _key, system, id FROM input WHERE kind IN ('news', 'deletes')) i
        ON i._key = l._key AND i.system = l.system AND i.id = l.id
    EXCEPT SELECT _key, system, id, state, at_us, told_us FROM link0) l
JOIN cand k USING (_key) CROSS JOIN p_run r;

INSERT INTO out_tombstones
SELECT k._khash, k.key, t.ids, t.source, t.live, r.run, make_timestamptz(r.run_at_us)
FROM (
    SELECT t._key, coalesce(i.ids, '{}') AS ids, t.source, t.live
    FROM tombstone2 t
    LEFT JOIN (
        SELECT _key, _object(list(to_json(system) || ':' || ids)) AS ids
        FROM (SELECT _key, system, to_json(list(id ORDER BY id)) AS ids FROM tombstone_id2 GROUP BY _key, system)
        GROUP BY _key) i USING (_key)
    EXCEPT SELECT _key, ids, source, live FROM tombstone0) t
JOIN cand k USING (_key) CROSS JOIN p_run r;

INSERT INTO out_conflicts
SELECT k._khash, k.key, c.field, c.kind, c.system, c.base, c.seen, c.golden, c.chosen, c.reason, r.run, make_timestamptz(r.run_at_us)
FROM conflict c JOIN cand k USING (_key) CROSS JOIN p_run r
UNION ALL
SELECT k._khash, k.key, '', 'replaced', p.system, p.base_id, p.id, NULL, NULL, 'the record has a new ID', r.run, make_timestamptz(r.run_at_us)
FROM party p JOIN cand k USING (_key) CROSS JOIN p_run r
WHERE p.fate = 'live' AND NOT p.old AND p.id IS NOT NULL AND p.base_id <> p.id;

INSERT INTO all_difference SELECT k._khash, d.* REPLACE (k.key AS _key) FROM difference2 d JOIN cand k USING (_key);
INSERT INTO all_difference0 SELECT k._khash, d.* REPLACE (k.key AS _key) FROM difference0 d JOIN cand k USING (_key);
INSERT INTO all_finding SELECT k._khash, f.* REPLACE (k.key AS _key) FROM finding1 f JOIN cand k USING (_key);
INSERT INTO all_finding0 SELECT k._khash, k.key, f.kind, f.severity, f.system, f.observed FROM finding0 f JOIN cand k USING (_key);
INSERT INTO all_want SELECT k._khash, w.* REPLACE (k.key AS _key), m.version AS golden_version FROM want w JOIN cand k USING (_key) JOIN meta m USING (_key);
INSERT INTO all_unknown SELECT k.key, system, unknown, fate FROM party JOIN cand k USING (_key) WHERE unknown <> '' OR fate = 'held';
INSERT INTO all_input SELECT k.key, system, kind, asked_us FROM input JOIN cand k USING (_key);
