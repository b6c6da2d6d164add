-- Too many changes of a kind for a system are held whole; then the change set
-- is final, and says what is new against what stands.
CREATE OR REPLACE TEMP TABLE stopped AS
SELECT v.system, v.kind,
       'guard: ' || v.keys || ' ' || v.kind || ' in ' || v.system || ', at most '
           || CAST(floor(greatest(g.at_least, g.percent * coalesce(z.records, 0) / 100)) AS BIGINT) AS reason
FROM volume v
JOIN p_guard g USING (kind)
LEFT JOIN p_size z USING (system)
WHERE v.keys > greatest(g.at_least, g.percent * coalesce(z.records, 0) / 100);

CREATE OR REPLACE TEMP TABLE final_change AS
SELECT w.* EXCLUDE (state),
       CASE WHEN t.reason IS NOT NULL AND w.state = 'ready' AND NOT w.approved THEN 'held' ELSE w.state END AS state,
       CASE WHEN w.state = 'held' THEN 'it leaves the scope; leave: hold'
            WHEN w.state = 'ready' AND NOT w.approved THEN coalesce(t.reason, '') ELSE '' END AS reason
FROM wanted w
LEFT JOIN stopped t USING (system, kind);

INSERT INTO out_changes
SELECT f._khash, f._key, f.change, f.system, f.op, f.id, f.before, f.after, f.effect,
       f.hash, f.version, f.etag, f.golden_version, f.state, f.reason, f.plan, f.attempt, f.generation,
       r.run, make_timestamptz(r.run_at_us)
FROM final_change f CROSS JOIN p_run r
LEFT JOIN standing_change e USING (change)
WHERE e.change IS NULL OR e.state <> f.state OR coalesce(e.reason, '') <> f.reason OR coalesce(e.plan, '') <> f.plan
UNION ALL
SELECT c._khash, c._key, c.change, c.system, c.op, c.id, c.before, c.after, c.effect,
       c.observed_hash, c.observed_version, c.observed_etag, c.golden_version, 'superseded',
       CASE WHEN u.fate = 'held' THEN 'the record waits for a decision'
            WHEN u.unknown IS NOT NULL THEN 'unknown: ' || u.unknown ELSE 'no longer wanted' END,
       c.plan, c.attempt, c.generation, r.run, make_timestamptz(r.run_at_us)
FROM open_change c
CROSS JOIN p_run r
LEFT JOIN all_unknown u USING (_key, system)
ANTI JOIN final_change f ON f.change = c.change;

-- A rejected change pins the difference, until either side changes.
CREATE OR REPLACE TEMP TABLE pinned AS
SELECT _khash, _key, system, '' AS field, 'rejected' AS kind, effect AS golden, NULL::VARCHAR AS seen, 'rejected by a person' AS reason
FROM final_change WHERE state = 'rejected' AND op <> 'update'
UNION ALL
SELECT _khash, _key, system, col, 'rejected', CAST(after::JSON AS MAP(VARCHAR, VARCHAR))[col], CAST(before::JSON AS MAP(VARCHAR, VARCHAR))[col], 'rejected by a person'
FROM (SELECT *, unnest(map_keys(CAST(after::JSON AS MAP(VARCHAR, VARCHAR)))) AS col FROM final_change WHERE state = 'rejected' AND op = 'update');

INSERT INTO out_differences
WITH wanted AS (
    FROM all_difference
    UNION ALL
    SELECT p.* FROM pinned p ANTI JOIN all_difference d ON d._key = p._key AND d.system = p.system AND d.field = p.field),
changed AS (
    SELECT *, true AS open FROM (FROM wanted EXCEPT FROM all_difference0)
    UNION ALL
    SELECT d.*, false FROM all_difference0 d ANTI JOIN wanted w ON w._key = d._key AND w.system = d.system AND w.field = d.field)
SELECT r.entity, c._key, c.system, c.field, c.kind, c.golden, c.seen, c.reason, c.open, r.run, make_timestamptz(r.run_at_us)
FROM changed c CROSS JOIN p_run r;

INSERT INTO out_findings
WITH wanted AS (
    SELECT kind, severity, system, '' AS field, _key AS key, observed FROM all_finding
    UNION ALL
    SELECT 'guard', 'high', system, kind, '', reason FROM stopped
    UNION ALL
    SELECT 'quarantine', 'high', system, '', '', observed FROM p_quarantine),
standing AS (
    SELECT kind, severity, system, '' AS field, _key AS key, observed FROM all_finding0
    UNION ALL
    SELECT i.kind, i.severity, i.system, i.field, i.key, i.observed
    FROM in_findings i CROSS JOIN p_run r WHERE i.kind IN ('guard', 'quarantine') AND i.state = 'open' AND i.entity = r.entity),
changed AS (
    SELECT *, 'open' AS state FROM (FROM wanted EXCEPT FROM standing)
    UNION ALL
    SELECT s.*, 'resolved' FROM standing s
    ANTI JOIN wanted w ON w.kind = s.kind AND w.system = s.system AND w.field = s.field AND w.key = s.key),
named AS (SELECT *, sha256(concat_ws(chr(31), c.kind, r.entity, c.system, c.field, c.key)) AS finding FROM changed c CROSS JOIN p_run r)
SELECT n.finding, n.kind, n.severity, n.entity, n.system, n.field, n.key, n.observed, h.expected,
       'select * from history where entity = ''' || n.entity || CASE n.key WHEN '' THEN ''' and system = ''' || n.system
            ELSE ''' and key = ''' || replace(n.key, '''', '''''') END || '''',
       replace(h.help, 'FINDING', left(n.finding, 12)), n.state, coalesce(i.first_run, n.run), n.run, coalesce(i.first_seen, make_timestamptz(n.run_at_us)), make_timestamptz(n.run_at_us), coalesce(i.incident, n.finding)
FROM named n
LEFT JOIN p_finding h USING (kind)
LEFT JOIN in_findings i ON i.finding = n.finding;

-- A system has joined once its plan is approved, or there was nothing to approve.
CREATE OR REPLACE TEMP TABLE joining AS
SELECT s.system, s.joined OR s.complete AND (r.yes
           OR NOT EXISTS (FROM final_change f WHERE f.state = 'planned' AND f.plan = r.plan)) AS joined
FROM p_system s CROSS JOIN p_run r;
