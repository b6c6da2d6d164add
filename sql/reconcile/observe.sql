-- For every key and system: is it known, which record does it show, and what
-- does that say in entity fields.

-- An ID that was proven gone, or that we deleted, is live again only by a page
-- asked for after the listings have settled.
CREATE OR REPLACE TEMP TABLE shown_record AS
SELECT r.*,
       CASE WHEN r.op IN ('upsert', 'touch') THEN
                CASE WHEN coalesce(l.state IN ('gone', 'deleted'), false) AND r.asked_us <= l.at_us + s.settle_us THEN 'gone' ELSE 'live' END
            WHEN r.op = 'missing' THEN CASE WHEN coalesce(l.state IN ('gone', 'deleted'), false) THEN 'ended' ELSE 'missing' END
            WHEN r.op = 'moved' THEN 'moved'
            ELSE 'gone' END AS standing
FROM record r
JOIN p_system s USING (system)
LEFT JOIN link1 l ON l._key = r._key AND l.system = r.system AND l.id = r.id;

-- An open dead letter counts while it is the newest thing the system said of the record.
CREATE OR REPLACE TEMP TABLE unreadable AS
SELECT DISTINCT l._key, l.system
FROM letter l
LEFT JOIN record r ON r._key = l._key AND r.system = l.system
GROUP BY l._key, l.system, l.id, l.asked_us
HAVING l.asked_us >= coalesce(max(r.asked_us) FILTER (l.id = '' OR r.id = l.id), -1);

CREATE OR REPLACE TEMP TABLE side0 AS
WITH shown AS (
    SELECT _key, system,
           count(*) FILTER (standing = 'live') AS live,
           min(id) FILTER (standing = 'live') AS id, -- this and the next four count only where one record is live
           min(version) FILTER (standing = 'live') AS version,
           min(hash) FILTER (standing = 'live') AS hash,
           min(etag) FILTER (standing = 'live') AS etag,
           min(asked_us) FILTER (standing = 'live') AS asked_us,
           array_to_string(list_sort(list(id) FILTER (standing = 'live')), ' ') AS ids,
           bool_or(standing = 'missing') AS missing,
           bool_or(standing = 'gone') AS gone,
           bool_or(standing = 'moved') AS moved,
           bool_or(this_run) AS this_run
    FROM shown_record GROUP BY _key, system),
doubt AS (
    SELECT DISTINCT _key, system FROM change0
    WHERE state IN ('sent', 'in_doubt') OR state = 'held' AND attempt > 0)
SELECT k._key, s.system, s.ord, s.joined, h.ids,
       CASE WHEN d._key IS NOT NULL THEN 'in_doubt'
            WHEN s.quarantined THEN 'quarantined'
            WHEN NOT (s.complete OR s.joined AND NOT s.due OR s.joined AND coalesce(h.this_run, false)) THEN 'unread'
            WHEN u._key IS NOT NULL THEN 'dead_letter'
            WHEN h.missing THEN 'missing'
            WHEN h.live > 1 THEN 'twins'
            WHEN h.live = 1 AND b.id = h.id AND h.version < b.version THEN 'stale'
            ELSE '' END AS unknown,
       CASE WHEN h.live = 1 THEN h.id END AS id,
       CASE WHEN h.live = 1 THEN h.version END AS version, CASE WHEN h.live = 1 THEN h.hash END AS hash,
       CASE WHEN h.live = 1 THEN h.etag END AS etag, CASE WHEN h.live = 1 THEN h.asked_us END AS asked_us,
       coalesce(h.gone, false) AS gone, coalesce(h.moved, false) AS moved,
       b.id AS base_id, b.hash AS base_hash, b.version AS base_version
FROM cand k
CROSS JOIN p_system s
LEFT JOIN shown h ON h._key = k._key AND h.system = s.system
LEFT JOIN doubt d ON d._key = k._key AND d.system = s.system
LEFT JOIN unreadable u ON u._key = k._key AND u.system = s.system
LEFT JOIN base_record1 b ON b._key = k._key AND b.system = s.system;

-- A record is of an old life if a tombstone names its ID, it was there all the
-- time since, and it is not the record of the present life.
CREATE OR REPLACE TEMP TABLE side AS
SELECT s.* EXCLUDE (id),
       CASE WHEN s.unknown = '' THEN s.id END AS id,
       s.unknown = '' AND s.id IS NOT NULL AND t.id IS NOT NULL
           AND NOT coalesce(l.state IN ('gone', 'deleted'), false)
           AND NOT (coalesce(g.live, false) AND coalesce(s.base_id = s.id, false)) AS old,
       coalesce(s.base_id <> s.id, true) AS first
FROM side0 s
LEFT JOIN golden_record0 g USING (_key)
LEFT JOIN tombstone_id1 t ON t._key = s._key AND t.system = s.system AND t.id = s.id
LEFT JOIN link1 l ON l._key = s._key AND l.system = s.system AND l.id = s.id;

-- A page asked for before the listings have settled says nothing about the
-- fields that we sent, unless it is newer by the system's own version.
CREATE OR REPLACE TEMP TABLE lag AS
SELECT DISTINCT s._key, s.system, r.field
FROM side s
JOIN p_system p USING (system)
JOIN applied_column a ON a._key = s._key AND a.system = s.system AND a.id = s.id
JOIN p_reads r ON r.system = a.system AND r.col = a.col
WHERE s.unknown = '' AND NOT s.first
  AND s.asked_us >= a.at_us AND s.asked_us < a.at_us + p.settle_us
  AND NOT coalesce(s.version > s.base_version, false);

-- The live record in entity fields. A null that nobody was seen to put there is
-- unset; a field that lags behind our own write stays the answer.
CREATE OR REPLACE TEMP TABLE seen0 AS
WITH settled AS (
    SELECT m._key, m.system, m.field, m.state AS mapped_state, m.value AS mapped_value,
           CASE WHEN m.state = 'null' AND (s.first OR coalesce(b.state NOT IN ('value', 'null'), true)) THEN 'unset' ELSE m.state END AS state,
           m.value, coalesce(b.state, 'unset') AS base_state, b.value AS base_value, l.field IS NOT NULL AS lags
    FROM side s
    JOIN mapped m ON m._key = s._key AND m.system = s.system AND m.id = s.id
    LEFT JOIN base1 b ON b._key = m._key AND b.system = m.system AND b.field = m.field
    LEFT JOIN lag l ON l._key = m._key AND l.system = m.system AND l.field = m.field
    WHERE s.unknown = '')
SELECT _key, system, field, mapped_state, mapped_value,
       lags AND (state <> base_state OR value IS DISTINCT FROM base_value) AS lagging,
       CASE WHEN NOT lags THEN state WHEN base_state = 'unsure' THEN 'unset' ELSE base_state END AS state,
       CASE WHEN lags THEN base_value ELSE value END AS value,
       base_state, base_value
FROM settled;
