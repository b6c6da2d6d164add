-- Streams that say too much at once, in this run or over the window: what they
-- said is judged by nobody until a person looked, and everybody else goes on. The
-- crosswalk is read only for systems that said anything, and counted only for those
-- that said enough to trip a guard.
INSERT INTO p_quarantine
WITH now AS (SELECT system, kind, count(DISTINCT _key) AS keys FROM all_input GROUP BY ALL),
recent AS (
    SELECT x.system, CASE WHEN x.state IN ('gone', 'moved') THEN 'deletes' ELSE 'news' END AS kind, x._key
    FROM in_crosswalk x
    JOIN (SELECT DISTINCT n.system, make_timestamptz(r.run_at_us - r.window_us) AS since FROM now n CROSS JOIN p_run r) n USING (system)
    WHERE x.told_at > n.since),
over AS (
    SELECT t.system, t.kind, t.keys, g.at_least, g.percent
    FROM (SELECT system, kind, count(DISTINCT _key) AS keys
          FROM (SELECT system, kind, _key FROM all_input UNION ALL FROM recent) GROUP BY ALL) t
    JOIN now n USING (system, kind)
    JOIN p_guard g ON g.kind = 'input ' || t.kind
    WHERE t.keys > g.at_least),
size AS (
    SELECT x.system, count(*) AS records
    FROM in_crosswalk x JOIN (SELECT DISTINCT system FROM over WHERE percent > 0) o USING (system)
    WHERE x.state = 'live' GROUP BY x.system),
measured AS (
    SELECT o.*, greatest(o.at_least, o.percent * coalesce(z.records, 0) / 100) AS most
    FROM over o LEFT JOIN size z USING (system))
SELECT m.system,
       m.keys || CASE m.kind WHEN 'news' THEN ' keys with news' WHEN 'nulls' THEN ' keys with a field that was cleared'
                 WHEN 'deletes' THEN ' keys that are gone' ELSE ' keys whose version went back' END
           || ', at most ' || CAST(floor(m.most) AS BIGINT) || ' as of ' || strftime(make_timestamp(a.asked_us), '%Y-%m-%d %H:%M:%S.%f') AS observed
FROM measured m
JOIN (SELECT system, max(asked_us) AS asked_us FROM all_input GROUP BY system) a USING (system)
ANTI JOIN p_quarantine q ON q.system = m.system
WHERE m.keys > m.most
QUALIFY row_number() OVER (PARTITION BY m.system ORDER BY m.kind) = 1;
