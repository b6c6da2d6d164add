-- Measures against what they were in the last two weeks: latencies, and the size
-- of a field's numbers, both as logarithms.
CREATE OR REPLACE TEMP TABLE measured AS
WITH weights AS (
    SELECT l.kind, f.entity, f.system, f.run, sum(f.value) AS n
    FROM figure f JOIN p_level l ON list_contains(l.weights, f.name) AND f.field = ''
    LEFT JOIN pass p ON p.entity = f.entity AND p.system = f.system AND p.run = f.run
    WHERE NOT coalesce(p.baseline, false) GROUP BY ALL)
SELECT dense_rank() OVER (ORDER BY l.kind, f.entity, f.system, f.field) AS sid, l.kind, f.entity, f.system, f.field, f.h, f.h // 24 AS day,
       sum(CASE WHEN l.weighted THEN f.value ELSE ln(greatest(f.value, 0.0001)) END * n) / sum(n) AS v, sum(n) AS n
FROM figure f
JOIN p_level l ON l.figure = f.name
JOIN weights w ON w.kind = l.kind AND w.entity = f.entity AND w.system = f.system AND w.run = f.run
WHERE n > 0
GROUP BY l.kind, f.entity, f.system, f.field, f.h;

INSERT INTO signal
WITH days AS (SELECT sid, day, median(v) AS v FROM measured GROUP BY ALL),
weeks AS (
    SELECT sid, day, median(v) OVER past AS base, count(*) OVER past AS days FROM days
    WINDOW past AS (PARTITION BY sid ORDER BY day RANGE BETWEEN 7 PRECEDING AND 1 PRECEDING)),
usual AS (
    SELECT m.*, w.base, w.days, l.weighted, l.floor, l.effect, l.least, l.figure, l.weights,
           sum(v * n) OVER six / sum(n) OVER six AS v6, sum(n) OVER six AS n6
    FROM measured m JOIN p_level l USING (kind) JOIN weeks w USING (sid, day)
    WINDOW six AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 5 PRECEDING AND CURRENT ROW)),
apart AS (
    SELECT *, (v - base) * CASE WHEN weighted THEN sqrt(n) ELSE 1 END AS d, (v6 - base) * CASE WHEN weighted THEN sqrt(n6) ELSE 1 END AS d6 FROM usual),
spreads AS (SELECT sid, day, median(abs(d)) AS spread, median(abs(d6)) AS spread6 FROM apart GROUP BY ALL),
scales AS (
    SELECT sid, day, 1.4826 * median(spread) OVER month AS scale, 1.4826 * median(spread6) OVER month AS scale6 FROM spreads
    WINDOW month AS (PARTITION BY sid ORDER BY day RANGE BETWEEN 21 PRECEDING AND 1 PRECEDING)),
scaled AS (SELECT *, d / greatest(floor, scale) AS z, d6 / greatest(floor, scale6) AS z6 FROM apart JOIN scales USING (sid, day) WHERE scale IS NOT NULL),
tested AS (
    SELECT s.*, unnest([{'v': v, 'n': n, 'z': z}, {'v': v6, 'n': n6, 'z': z6}]) AS t
    FROM scaled s CROSS JOIN p_watch w WHERE s.days >= 1 AND s.h >= w.from_us // 3600000000)
SELECT s.h, s.kind, s.entity, s.system, s.field, least(abs(s.t.z) / w.far, abs(s.t.v - s.base) / s.effect) AS strength, '',
       CASE WHEN s.weighted THEN shown(exp(s.t.v), 2) || ' on the geometric mean of ' || shown(s.t.n, 0) || ' records'
            ELSE shown(1000 * exp(s.t.v), 0) || ' ms in the 95th of 100 requests' END,
       'about ' || CASE WHEN s.weighted THEN shown(exp(s.base), 2) ELSE shown(1000 * exp(s.base), 0) || ' ms' END,
       list_concat([s.figure], s.weights)
FROM tested s CROSS JOIN p_watch w
WHERE s.t.n >= s.least AND strength >= 0.6 AND (s.weighted OR s.t.z > 0);

-- How many different values a field shows: all of a sudden one, or of a sudden many.
INSERT INTO signal
WITH seen AS (
    SELECT f.entity, f.system, f.field, f.h, max(f.value) AS v, sum(t.n) AS n
    FROM figure f
    JOIN (SELECT f.entity, f.system, f.run, sum(f.value) AS n
          FROM figure f LEFT JOIN pass p ON p.entity = f.entity AND p.system = f.system AND p.run = f.run
          WHERE f.name IN ('extract.inserted', 'extract.updated') AND NOT coalesce(p.baseline, false) GROUP BY ALL) t
      ON t.entity = f.entity AND t.system = f.system AND t.run = f.run
    WHERE f.name = 'field.distinct' GROUP BY ALL),
days AS (SELECT entity, system, field, h // 24 AS day, median(v) AS v, max(v) AS highest, count(*) AS hours FROM seen WHERE n >= 20 GROUP BY ALL),
weeks AS (
    SELECT entity, system, field, day, median(v) OVER past AS base, max(highest) OVER past AS highest, sum(hours) OVER past AS hours
    FROM days WINDOW past AS (PARTITION BY entity, system, field ORDER BY day RANGE BETWEEN 21 PRECEDING AND 1 PRECEDING)),
usual AS (
    SELECT s.h, s.entity, s.system, s.field, s.v, s.n, w.base, w.highest, w.hours
    FROM seen s JOIN weeks w ON w.entity = s.entity AND w.system = s.system AND w.field = s.field AND w.day = s.h // 24 WHERE s.n >= 20)
SELECT s.h, 'value_drift', s.entity, s.system, s.field,
       CASE WHEN s.v <= 1 AND s.base >= 4 THEN 1.0 WHEN s.highest <= 12 AND s.v >= 3 * s.highest AND s.v >= s.highest + 5 THEN 1.0 ELSE 0 END AS strength, '',
       shown(s.v, 0) || ' different values in ' || shown(s.n, 0) || ' records', 'about ' || shown(s.base, 0), ['field.distinct']
FROM usual s CROSS JOIN p_watch w
WHERE s.hours >= 12 AND s.h >= w.from_us // 3600000000 AND strength >= 1;
