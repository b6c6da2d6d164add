-- The history of figures, by the hour of their runs. in_metrics and in_runs hold
-- the run that is watched as well.
CREATE OR REPLACE TEMP TABLE figure AS
SELECT m.entity, coalesce(m.system, '') AS system, coalesce(m.field, '') AS field, m.name, m.value, m.run,
       epoch_us(r.run_at) AS at_us, epoch_us(r.run_at) // 3600000000 AS h
FROM in_metrics m
JOIN in_runs r USING (run)
CROSS JOIN p_watch w
WHERE epoch_us(r.run_at) BETWEEN w.since_us AND w.at_us;

-- The hour of the week in the time zone in which people work.
CREATE OR REPLACE TEMP TABLE slot AS
SELECT h, hour(t) AS hod, dayofweek(t) * 24 + hour(t) AS how, dayofweek(t) IN (0, 6) AS weekend
FROM (SELECT DISTINCT h, timezone(w.timezone, make_timestamptz(h * 3600000000)) AS t FROM figure CROSS JOIN p_watch w);

-- A pass covers the time since the last one that was read to its end. The first
-- pass, and one that begins a new scope, say nothing of any time.
CREATE OR REPLACE TEMP TABLE pass AS
WITH one AS (
    SELECT entity, system, run, at_us, h,
           max(value) FILTER (name = 'extract.state') = 0 AS complete,
           max(value) FILTER (name = 'extract.baseline') > 0 AS baseline,
           max(value) FILTER (name = 'extract.sweep') > 0 AS sweep
    FROM figure WHERE name IN ('extract.state', 'extract.baseline', 'extract.sweep')
    GROUP BY ALL
    UNION ALL
    SELECT DISTINCT entity, '', run, at_us, h, true, false, false FROM figure WHERE name = 'reconcile.conflicts')
SELECT *, max(CASE WHEN complete THEN at_us END) OVER before AS since_us,
       (at_us - max(CASE WHEN complete THEN at_us END) OVER before) / 3600000000.0 AS covered
FROM one
WINDOW before AS (PARTITION BY entity, system ORDER BY at_us, run ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);
