-- The life of findings at one run, p_now: opened, seen again, resolved after three
-- quiet passes (what only sweeps see, after one), and reopened as the same.
CREATE OR REPLACE TEMP TABLE here AS
SELECT s.*, sha256(concat_ws(chr(31), s.kind, s.entity, s.system, s.field, '')) AS finding
FROM signal s JOIN p_now n USING (h)
QUALIFY row_number() OVER (PARTITION BY s.kind, s.entity, s.system, s.field ORDER BY s.strength DESC, s.observed) = 1;

CREATE OR REPLACE TEMP TABLE standing AS SELECT f.* FROM in_findings f SEMI JOIN p_kind k ON k.kind = f.kind;

CREATE OR REPLACE TEMP TABLE noticed AS
SELECT h.*, k.rank, k.severity, k.help, coalesce(s.state = 'open', false) AS known, s.incident, s.first_run, s.first_seen
FROM here h
JOIN p_kind k USING (kind)
LEFT JOIN standing s USING (finding)
WHERE h.strength >= 1 OR s.state = 'open';

CREATE OR REPLACE TEMP TABLE ended AS
SELECT s.*
FROM standing s
JOIN pass p ON p.complete AND p.at_us > epoch_us(s.last_seen) AND (s.system = '' OR p.system = s.system) AND (s.entity = '' OR p.entity = s.entity)
CROSS JOIN p_now n
ANTI JOIN noticed o ON o.finding = s.finding
WHERE s.state = 'open' AND p.at_us <= n.at_us
GROUP BY ALL
HAVING count(DISTINCT p.run) FILTER (p.sweep OR s.kind NOT IN ('missing_records', 'sweep_disagreement'))
       >= CASE WHEN s.kind IN ('missing_records', 'sweep_disagreement') THEN 1 ELSE 3 END;

-- A finding that opens beside one that can have the same cause belongs to its
-- incident; of several that open at once, the one of the lowest rank names it.
CREATE OR REPLACE TEMP TABLE opened AS SELECT *, row_number() OVER (ORDER BY rank, entity, system, field) AS place FROM noticed WHERE NOT known;

CREATE OR REPLACE TEMP TABLE related AS
SELECT o.finding, min_by(s.incident, s.first_seen) AS incident
FROM opened o
JOIN standing s ON s.state = 'open' AND s.finding <> o.finding AND s.system = o.system
JOIN p_explains e ON e.kind = o.kind AND e.other = s.kind AND (e.lasting OR s.entity = o.entity AND NOT e.wide)
CROSS JOIN p_now n
WHERE epoch_us(s.last_seen) > n.at_us - 6 * 3600000000
GROUP BY o.finding;

CREATE OR REPLACE TEMP TABLE led AS
SELECT o.finding, min(p.place) AS place
FROM opened o
JOIN opened p ON p.finding = o.finding
    OR o.cause <> '' AND p.cause = o.cause
    OR o.system = p.system AND o.system <> '' AND o.kind = p.kind AND o.entity = p.entity
    OR EXISTS (FROM p_explains e WHERE e.kind = o.kind AND e.other = p.kind AND o.system = p.system AND (e.wide OR o.entity = p.entity))
GROUP BY o.finding;

-- The one that leads may be led itself.
CREATE OR REPLACE TEMP TABLE placed AS
WITH twice AS (
    SELECT l.finding, least(l.place, m.place) AS place
    FROM led l JOIN opened p ON p.place = l.place JOIN led m ON m.finding = p.finding)
SELECT t.finding, coalesce(r.incident, s.incident, p.finding) AS incident
FROM twice t
JOIN opened p ON p.place = t.place
LEFT JOIN related r ON r.finding = t.finding
LEFT JOIN related s ON s.finding = p.finding;

INSERT INTO out_findings
SELECT o.finding, o.kind, o.severity, o.entity, o.system, o.field, '', o.observed, o.expected,
       CASE o.kind
       WHEN 'missing_records' THEN 'select key, id, asked_at from current where entity = ''' || o.entity || ''' and system = ''' || o.system || ''' and state = ''missing'''
       WHEN 'unexpected_deletion' THEN 'select key, id, run, asked_at from history where entity = ''' || o.entity || ''' and system = ''' || o.system || ''' and op = ''delete'' order by asked_at desc limit 200'
       WHEN 'dead_letters' THEN 'select id, field, reason, payload from dead_letters where open and entity = ''' || o.entity || ''' and system = ''' || o.system || ''''
       WHEN 'conflict_spike' THEN 'select key, field, kind, system, seen, chosen, reason from conflicts where entity = ''' || o.entity || ''' and run = ''' || n.run || ''''
       ELSE 'select r.run_at, m.name, m.field, m.value from metrics m join runs r using (run) where m.entity = ''' || o.entity || ''' and m.system = ''' || o.system
           || ''' and m.name in (' || list_aggregate(list_transform(o.names, lambda x: '''' || x || ''''), 'string_agg', ', ') || ')'
           || CASE WHEN o.field = '' THEN '' ELSE ' and coalesce(m.field, '''') in ('''', ''' || o.field || ''')' END || ' order by r.run_at desc, m.name limit 200'
       END,
       o.help, 'open', coalesce(o.first_run, n.run), n.run, coalesce(o.first_seen, make_timestamptz(n.at_us)), make_timestamptz(n.at_us),
       CASE WHEN o.known THEN coalesce(o.incident, o.finding) ELSE coalesce(p.incident, o.finding) END
FROM noticed o
CROSS JOIN p_now n
LEFT JOIN placed p ON p.finding = o.finding
UNION ALL
SELECT e.* REPLACE ('resolved' AS state, n.run AS run) FROM ended e CROSS JOIN p_now n;
