-- Streams that say too much at once, in this run or over the window: what they
-- said is judged by nobody until a person looked, and everybody else goes on.
INSERT INTO p_quarantine
WITH told AS (SELECT DISTINCT system FROM all_input),
link AS (
    SELECT x.system, x._key, x.state = 'live' AS live,
           CASE WHEN x.state IN ('gone', 'moved') THEN 'deletes' ELSE 'news' END AS kind,
           coalesce(epoch_us(x.told_at) > r.run_at_us - r.window_us, false) AS recent
    FROM in_crosswalk x JOIN told USING (system) CROSS JOIN p_run r),
now AS (SELECT system, kind, count(DISTINCT _key) AS keys FROM all_input GROUP BY ALL),
total AS (
    SELECT system, kind, count(DISTINCT _key) AS keys
    FROM (SELECT system, kind, _key FROM all_input UNION ALL SELECT system, kind, _key FROM link WHERE recent) GROUP BY ALL),
size AS (SELECT system, count(*) FILTER (live) AS records FROM link GROUP BY system),
measured AS (
    SELECT t.system, t.kind, t.keys, greatest(g.at_least, g.percent * coalesce(z.records, 0) / 100) AS most
    FROM total t
    JOIN now n USING (system, kind)
    JOIN p_guard g ON g.kind = 'input ' || t.kind
    LEFT JOIN size z ON z.system = t.system)
SELECT m.system,
       m.keys || CASE m.kind WHEN 'news' THEN ' keys with news' WHEN 'nulls' THEN ' keys with a field that was cleared'
                 WHEN 'deletes' THEN ' keys that are gone' ELSE ' keys whose version went back' END
           || ', at most ' || CAST(floor(m.most) AS BIGINT) || ' as of ' || strftime(make_timestamp(a.asked_us), '%Y-%m-%d %H:%M:%S.%f') AS observed
FROM measured m
JOIN (SELECT system, max(asked_us) AS asked_us FROM all_input GROUP BY system) a USING (system)
ANTI JOIN p_quarantine q ON q.system = m.system
WHERE m.keys > m.most
QUALIFY row_number() OVER (PARTITION BY m.system ORDER BY m.kind) = 1;
