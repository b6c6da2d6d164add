-- Does golden have the key: from what golden was, and what the known systems show.

-- A system changed the record if it shows something that was not judged, or a
-- new ID, or if the record was touched since.
CREATE OR REPLACE TEMP TABLE updated AS
SELECT s._key, s.system
FROM side s
LEFT JOIN (
    SELECT DISTINCT _key, system FROM seen0
    WHERE state IN ('value', 'null') AND (state <> base_state OR value IS DISTINCT FROM base_value)) n
    ON n._key = s._key AND n.system = s.system
WHERE s.id IS NOT NULL
  AND (s.first OR n._key IS NOT NULL
       OR CASE WHEN s.version IS NOT NULL AND s.base_version IS NOT NULL THEN s.version > s.base_version
               ELSE s.hash IS DISTINCT FROM s.base_hash END);

CREATE OR REPLACE TEMP TABLE told AS
SELECT s._key, s.system, s.ord, s.unknown <> '' AS blind,
       s.id IS NOT NULL AND NOT s.old AS part,
       s.unknown = '' AND s.id IS NULL AND s.base_id IS NOT NULL AND (s.gone OR s.moved) AS deleter, d.system IS NOT NULL AS rules,
       u._key IS NOT NULL AND NOT s.old AS updater,
       u._key IS NOT NULL AND s.old AND NOT s.first AS old_updater,
       s.id, s.base_id, s.version, s.hash
FROM side s
LEFT JOIN p_deletes d USING (system)
LEFT JOIN updated u ON u._key = s._key AND u.system = s.system;

-- The sides of a presence as a person is shown them: who deleted, who changed.
CREATE OR REPLACE TEMP TABLE presence_side AS
SELECT t._key, t.system, t.ord, CASE WHEN t.deleter THEN t.base_id ELSE t.id END AS id,
       CASE WHEN NOT t.deleter THEN t.version END AS version, CASE WHEN t.deleter THEN 0 ELSE t.hash END AS hash, t.deleter
FROM told t JOIN golden_record0 g USING (_key)
WHERE CASE WHEN g.live THEN t.deleter AND t.rules OR t.updater ELSE t.old_updater END;

-- What a person said of a presence that waits. It counts for the sides as they
-- were shown, and waits while one of them is unknown.
CREATE OR REPLACE TEMP TABLE presence_word AS
WITH said AS (
    SELECT h._key, h.hold, h.contenders, d.decision, d.shown, d.choice, json_extract_string(d.choice, '$.take') AS take, epoch_us(d.recorded_at) AS at_us
    FROM hold0 h JOIN in_decisions d ON d.target = h.hold
    WHERE h.field = '' AND d.kind = 'decide' AND d.recorded_at >= h.first_at AND d.decision IS DISTINCT FROM h.decision
    QUALIFY row_number() OVER (PARTITION BY h._key ORDER BY d.recorded_at DESC, d.decision DESC) = 1),
sides AS (
    SELECT w._key, bool_and(c._key IS NULL OR json_extract_string(w.shown, '$."' || t.system || '".id') IS NOT DISTINCT FROM c.id
                            AND json_extract_string(w.shown, '$."' || t.system || '".hash') IS NOT DISTINCT FROM c.hash::VARCHAR) AS covers,
           bool_or(t.blind AND json_exists(w.contenders, '$."' || t.system || '"')) AS blind
    FROM said w JOIN told t USING (_key) LEFT JOIN presence_side c ON c._key = t._key AND c.system = t.system
    GROUP BY w._key)
SELECT * FROM said JOIN sides USING (_key);

CREATE OR REPLACE TEMP TABLE fate AS
WITH sides AS (
    SELECT _key, bool_or(part) AS part, bool_or(blind) AS blind, bool_or(deleter AND rules) AS ruled,
           first(system ORDER BY ord) FILTER (deleter AND rules) AS source,
           string_agg(system, ' ' ORDER BY ord) FILTER (deleter AND rules) AS ruling,
           string_agg(system, ' ' ORDER BY ord) FILTER (updater) AS updaters,
           string_agg(system, ' ' ORDER BY ord) FILTER (old_updater) AS old_updaters
    FROM told GROUP BY _key),
ruled AS (
    SELECT s.*, CASE WHEN w.covers THEN CASE w.take WHEN 'keep' THEN 'update' ELSE 'delete' END ELSE r.against_update END AS rule,
           -- A conflict that waits stays as it is while any system is unknown:
           -- nobody can tell whether a side has changed.
           o._key IS NOT NULL AND s.blind AND coalesce(w.blind, true) AS waits, o.observed, o.system AS accused
    FROM sides s
    CROSS JOIN p_run r
    LEFT JOIN presence_word w USING (_key)
    LEFT JOIN finding0 o ON o._key = s._key AND o.kind = 'against_update')
SELECT s._key, s.rule, s.waits,
       CASE WHEN s.waits THEN 'held'
            WHEN g._key IS NULL THEN CASE WHEN s.part THEN 'born' ELSE 'nothing' END
            WHEN g.live THEN
                CASE WHEN NOT s.ruled THEN 'live'
                     WHEN s.updaters IS NULL THEN 'dies'
                     ELSE CASE s.rule WHEN 'hold' THEN 'held' WHEN 'update' THEN 'live' ELSE 'dies' END END
            WHEN s.part THEN 'reborn'
            WHEN s.old_updaters IS NULL THEN 'dead'
            ELSE CASE s.rule WHEN 'hold' THEN 'held' WHEN 'update' THEN 'revived' ELSE 'dead' END END AS fate,
       CASE WHEN coalesce(g.live, false) THEN s.source ELSE t.source END AS source,
       CASE WHEN s.waits THEN s.observed
            WHEN g.live AND s.ruled AND s.updaters IS NOT NULL THEN 'deleted in ' || s.ruling || ', changed in ' || s.updaters
            WHEN NOT g.live AND NOT s.part AND s.old_updaters IS NOT NULL THEN 'deleted in ' || t.source || ', changed in ' || s.old_updaters
            END AS against,
       CASE WHEN s.waits THEN s.accused WHEN g.live THEN split_part(s.ruling, ' ', 1) ELSE t.source END AS accused
FROM ruled s
LEFT JOIN golden_record0 g ON g._key = s._key
LEFT JOIN tombstone0 t ON t._key = s._key;

-- A decision that waits is not taken in yet; one that waited is.
DELETE FROM decision0 WHERE field = '';
INSERT INTO decision0
SELECT w._key, w.hold, '', w.decision, w.shown, w.choice, w.at_us FROM presence_word w JOIN fate f USING (_key) WHERE NOT f.waits;

-- The sides as they stand once presence is decided.
CREATE OR REPLACE TEMP TABLE party AS
SELECT s.* EXCLUDE (old, base_id, base_hash, base_version, first), f.fate,
       CASE WHEN forgets THEN NULL ELSE s.base_id END AS base_id,
       CASE WHEN forgets THEN NULL ELSE s.base_hash END AS base_hash,
       CASE WHEN forgets THEN NULL ELSE s.base_version END AS base_version,
       s.first OR f.fate IN ('born', 'reborn') AS first,
       CASE f.fate WHEN 'dies' THEN s.id IS NOT NULL
                   WHEN 'revived' THEN s.old AND s.base_id IS NULL
                   ELSE s.old END AS old
FROM (SELECT s.*, f.fate,
             f.fate = 'reborn' OR f.fate IN ('live', 'dies') AND s.unknown = '' AND s.id IS NULL AND (s.gone OR s.moved) AS forgets
      FROM side s JOIN fate f USING (_key)) s
JOIN fate f USING (_key);

CREATE OR REPLACE TEMP TABLE base2 AS
SELECT b.* FROM base1 b JOIN party p USING (_key, system) WHERE p.base_id IS NOT NULL;

-- What takes part in the merge of fields, and what it shows.
CREATE OR REPLACE TEMP TABLE seen AS
SELECT n._key, n.system, n.field, n.mapped_state, n.mapped_value,
       CASE WHEN p.fate = 'reborn' THEN CASE n.mapped_state WHEN 'null' THEN 'unset' ELSE n.mapped_state END ELSE n.state END AS state,
       CASE WHEN p.fate = 'reborn' THEN n.mapped_value ELSE n.value END AS value,
       n.lagging AND p.fate <> 'reborn' AS lagging,
       coalesce(b.state, 'unset') AS base_state, b.value AS base_value
FROM seen0 n
JOIN party p USING (_key, system)
LEFT JOIN base2 b ON b._key = n._key AND b.system = n.system AND b.field = n.field
WHERE p.fate IN ('born', 'live', 'reborn', 'revived') AND NOT p.old;

CREATE OR REPLACE TEMP TABLE link2 AS
WITH told AS (
    SELECT r._key, r.system, r.id, r.asked_us,
           CASE WHEN r.op = 'moved' THEN 'moved'
                WHEN r.op = 'missing' AND NOT coalesce(l.state IN ('gone', 'deleted'), false) THEN 'missing'
                WHEN r.op = 'delete' AND NOT coalesce(l.state IN ('gone', 'deleted'), false) THEN 'gone'
                WHEN r.id = p.id THEN 'live' END AS state
    FROM shown_record r
    JOIN party p USING (_key, system)
    LEFT JOIN link1 l ON l._key = r._key AND l.system = r.system AND l.id = r.id
    WHERE p.fate <> 'held' AND p.unknown IN ('', 'missing'))
SELECT coalesce(l._key, t._key) AS _key, coalesce(l.system, t.system) AS system, coalesce(l.id, t.id) AS id,
       coalesce(t.state, l.state) AS state,
       CASE WHEN t.state IS NULL OR t.state = l.state THEN l.at_us ELSE t.asked_us END AS at_us, l.told_us
FROM link1 l FULL JOIN (FROM told WHERE state IS NOT NULL) t ON t._key = l._key AND t.system = l.system AND t.id = l.id;

-- A tombstone names every ID that held the key, but for those that moved away.
-- A life that goes on keeps only the IDs that were not gone in between.
CREATE OR REPLACE TEMP TABLE tombstone_id2 AS
SELECT l._key, l.system, l.id
FROM (SELECT _key, system, id FROM link1 WHERE state <> 'moved'
      UNION SELECT _key, system, id FROM party WHERE id IS NOT NULL AND fate = 'dies') l
JOIN fate f USING (_key)
ANTI JOIN (FROM record WHERE op = 'moved') m ON m._key = l._key AND m.system = l.system AND m.id = l.id
WHERE f.fate = 'dies'
UNION
SELECT t._key, t.system, t.id
FROM tombstone_id1 t JOIN fate f USING (_key)
LEFT JOIN link1 l ON l._key = t._key AND l.system = t.system AND l.id = t.id
WHERE f.fate <> 'dies' AND NOT (f.fate = 'revived' AND coalesce(l.state = 'gone', false));

CREATE OR REPLACE TEMP TABLE tombstone2 AS
SELECT f._key, CASE WHEN f.fate = 'dies' THEN f.source ELSE t.source END AS source,
       f.fate = 'dies' OR t.live AND f.fate NOT IN ('reborn', 'revived') AS live
FROM fate f LEFT JOIN tombstone0 t USING (_key)
WHERE f.fate = 'dies' OR t._key IS NOT NULL;

-- Golden before the fields are decided: empty for a life that begins.
CREATE OR REPLACE TEMP TABLE golden_old AS
SELECT d._key, d.field,
       CASE WHEN g._key IS NULL OR f.fate IN ('born', 'reborn') THEN 'unset' ELSE g.state END AS state,
       CASE WHEN f.fate IN ('born', 'reborn') THEN NULL ELSE g.value END AS value,
       CASE WHEN f.fate IN ('born', 'reborn') THEN NULL ELSE g.source END AS source,
       CASE WHEN f.fate NOT IN ('born', 'reborn') THEN g.edit_since END AS edit_since,
       CASE WHEN f.fate NOT IN ('born', 'reborn') THEN g.edit_until END AS edit_until
FROM cell d
JOIN fate f USING (_key)
LEFT JOIN golden1 g ON g._key = d._key AND g.field = d.field
WHERE f.fate <> 'nothing';

-- Presences that wait for a person: (_key, kind, golden, contenders, reason).
CREATE OR REPLACE TEMP TABLE presence_hold AS
SELECT f._key, 'against_update' AS kind,
       CASE WHEN g.live THEN '{"":{"state":"live","value":null}}' ELSE '{"":{"state":"deleted","value":null}}' END AS golden,
       _object(list(to_json(c.system) || ':{"id":' || to_json(c.id) || ',"version":' || coalesce(c.version::VARCHAR, 'null') || ',"hash":' || c.hash
           || ',"fields":{"":{"base_state":"live","base":null,"state":"' || CASE WHEN c.deleter THEN 'gone' ELSE 'live' END || '","value":null}}}')) AS contenders,
       f.against AS reason
FROM fate f
JOIN golden_record0 g USING (_key)
JOIN presence_side c USING (_key)
WHERE f.fate = 'held' AND NOT f.waits
GROUP BY f._key, g.live, f.against
UNION ALL
SELECT h._key, h.kind, h.golden, h.contenders, h.reason FROM hold0 h JOIN fate f USING (_key) WHERE h.field = '' AND f.waits;
