-- How long ago each stream was last read to its end, as of every tested run and
-- as of the clock. It is seen from the run that is there, or from outside of any:
-- a run that did not happen writes no row. Without a schedule, what is due follows
-- from the last runs, once there are enough of them.
INSERT INTO signal
WITH complete AS (SELECT entity, system, run, at_us, (at_us - since_us) / 3600000000.0 AS gap FROM pass WHERE complete AND system <> ''),
usual AS (
    SELECT *, quantile_cont(gap, 0.9) OVER fifty AS gaps, count(gap) OVER fifty AS known FROM complete
    WINDOW fifty AS (PARTITION BY entity, system ORDER BY at_us ROWS BETWEEN 50 PRECEDING AND CURRENT ROW)),
moments AS (
    SELECT DISTINCT p.at_us FROM pass p CROSS JOIN p_watch w WHERE p.at_us >= w.from_us
    UNION
    SELECT at_us FROM p_watch),
aged AS (
    SELECT s.at_us, s.entity, s.system, u.run, (s.at_us - u.at_us) / 3600000000.0 AS age,
           coalesce(s.due_hours, CASE WHEN u.known >= 24 THEN u.gaps END) AS due
    FROM (SELECT m.at_us, s.entity, s.system, s.due_hours, m.at_us - 1 AS before_us FROM moments m CROSS JOIN p_stream s) s
    ASOF JOIN usual u ON u.entity = s.entity AND u.system = s.system AND s.before_us >= u.at_us)
SELECT at_us // 3600000000, 'freshness', entity, system, '', age / (1.5 * due + 1) AS strength, run,
       'last read to its end ' || shown(age, 1) || ' h before', 'every ' || shown(due, 1) || ' h', ['extract.state']
FROM aged
WHERE strength >= 0.6;
