-- Shares of a whole: nulls among new and changed records, failures among
-- requests, over 1 and 6 hours. The baseline is the week before them.
CREATE OR REPLACE TEMP TABLE shared AS
WITH parts AS (
    SELECT k.kind, k.what, f.entity, f.system, f.field, f.h, f.run, sum(f.value) AS part
    FROM figure f JOIN p_share k ON list_contains(k.parts, f.name) GROUP BY ALL),
wholes AS (
    SELECT k.kind, k.what, f.entity, f.system, f.run, sum(f.value) AS whole
    FROM figure f JOIN p_share k ON list_contains(k.wholes, f.name) AND f.field = ''
    LEFT JOIN pass p ON p.entity = f.entity AND p.system = f.system AND p.run = f.run
    WHERE NOT coalesce(p.baseline, false)
    GROUP BY ALL),
hourly AS (
    SELECT kind, what, entity, system, field, h, sum(least(part, whole)) AS k, sum(whole) AS n
    FROM parts JOIN wholes USING (kind, what, entity, system, run) GROUP BY ALL)
SELECT dense_rank() OVER (ORDER BY kind, what, entity, system, field) AS sid, *, h // 24 AS day,
       sum(k) OVER six AS k6, sum(n) OVER six AS n6
FROM hourly
WHERE n > 0
WINDOW six AS (PARTITION BY kind, what, entity, system, field ORDER BY h RANGE BETWEEN 5 PRECEDING AND CURRENT ROW);

-- What a share usually is: first the median of the days of the last week, then the
-- whole of their hours without those that stand out.
CREATE OR REPLACE TEMP TABLE odd_share AS
WITH days AS (SELECT sid, day, sum(k) / sum(n) AS p FROM shared GROUP BY ALL),
weeks AS (SELECT sid, day, median(p) OVER (PARTITION BY sid ORDER BY day RANGE BETWEEN 7 PRECEDING AND 1 PRECEDING) AS p FROM days),
apart AS (SELECT *, binomial_deviance(k, n, p) AS d FROM shared JOIN weeks USING (sid, day)),
spread AS (SELECT sid, day, median(abs(d)) AS spread FROM apart GROUP BY ALL),
scales AS (SELECT sid, day, greatest(1, 1.4826 * median(spread) OVER (PARTITION BY sid ORDER BY day RANGE BETWEEN 14 PRECEDING AND 1 PRECEDING)) AS scale FROM spread)
SELECT *, coalesce(abs(k / n - p) >= 0.1 AND abs(d) > 4 * scale, false) AS odd FROM apart JOIN scales USING (sid, day);

INSERT INTO signal
WITH usual AS (
    SELECT * EXCLUDE (p, d, scale), sum(CASE WHEN NOT odd THEN k END) OVER past / nullif(sum(CASE WHEN NOT odd THEN n END) OVER past, 0) AS p,
           sum(CASE WHEN NOT odd THEN n END) OVER past AS known, count(*) OVER past AS hours
    FROM odd_share
    WINDOW past AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 174 PRECEDING AND 6 PRECEDING)),
apart AS (SELECT *, binomial_deviance(k, n, p) AS d, binomial_deviance(k6, n6, p) AS d6 FROM usual),
spreads AS (SELECT sid, day, median(abs(d)) AS spread, median(abs(d6)) AS spread6 FROM apart GROUP BY ALL),
scales AS (
    SELECT sid, day, greatest(1, 1.4826 * median(spread) OVER month) AS scale, greatest(1, 1.4826 * median(spread6) OVER month) AS scale6 FROM spreads
    WINDOW month AS (PARTITION BY sid ORDER BY day RANGE BETWEEN 28 PRECEDING AND 1 PRECEDING)),
scaled AS (SELECT *, d / scale AS z, d6 / scale6 AS z6 FROM apart JOIN scales USING (sid, day)),
tested AS (
    SELECT s.*, unnest([{'span': 1, 'k': k, 'n': n, 'z': z}, {'span': 6, 'k': k6, 'n': n6, 'z': z6}]) AS t
    FROM scaled s CROSS JOIN p_watch w WHERE s.hours >= 12 AND s.known >= 50 AND s.h >= w.from_us // 3600000000)
SELECT t.h, t.kind, t.entity, t.system, t.field,
       least(abs(t.t.z) / w.far, abs(t.t.k / t.t.n - t.p) / s.effect, t.t.n / s.least) AS strength, '',
       shown(100 * t.t.k / t.t.n, 1) || '% of ' || shown(t.t.n, 0) || ' ' || t.what || ' in ' || t.t.span || ' h', 'about ' || shown(100 * t.p, 1) || '%',
       list_concat(s.parts, s.wholes)
FROM tested t
JOIN p_share s USING (kind, what)
CROSS JOIN p_watch w
WHERE strength >= 0.6 AND CASE WHEN t.t.z > 0 THEN s.up ELSE s.down END;
