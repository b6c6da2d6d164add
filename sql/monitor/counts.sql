-- Counts against their season. Each hour is compared with what the hours before
-- it let expect, in two passes: the first finds the hours that stand out, the
-- second makes the baseline without them. What an hour is compared with comes from
-- hours before it: frames that reach ahead of a row (around, near) are only read
-- from rows far enough behind. So one hour and eight weeks of hours give the same.
CREATE OR REPLACE TEMP TABLE counted AS
WITH hourly AS (
    SELECT f.entity, f.system, k.figure, f.h, sum(f.value) AS x, sum(p.covered) / len(any_value(k.parts)) AS c,
           bool_and(p.complete AND NOT coalesce(p.baseline, false)) AND min(p.covered) > 0 AS good
    FROM figure f
    JOIN p_count k ON list_contains(k.parts, f.name)
    JOIN pass p ON p.entity = f.entity AND p.system = f.system AND p.run = f.run
    GROUP BY ALL),
live AS (SELECT entity, system, figure, row_number() OVER (ORDER BY entity, system, figure) AS sid
         FROM hourly GROUP BY entity, system, figure HAVING max(x) > 0)
SELECT l.sid, h.h, h.h // 24 AS day, h.x, greatest(h.c, 0.25) AS c, coalesce(h.good, false) AS good,
       CASE WHEN h.good THEN 2 * sqrt(h.x / greatest(h.c, 0.25) + 0.375) END AS y,
       l.sid * 256 + s.hod AS by_hour, l.sid * 256 + s.how AS by_week, (l.sid * 256 + s.hod) * 2 + s.weekend::INTEGER AS by_day,
       l.entity, l.system, l.figure
FROM hourly h
JOIN live l USING (entity, system, figure)
JOIN slot s USING (h);

-- A season: how the same hour of earlier weeks stood to the level of the week
-- around it, smoothed by its neighbours. While there are no two weeks, the same
-- hour of weekdays, or of weekends. Then the level: what the last three days were
-- without their season. And how far an hour usually is from that: the median of
-- the days' medians. Square roots of counts are multiplied, so that a season
-- grows with its level.
CREATE OR REPLACE TEMP TABLE first_look AS
WITH leveled AS (
    SELECT *, avg(y) OVER week AS behind, count(y) OVER week AS known,
           avg(y) OVER (PARTITION BY sid ORDER BY h RANGE BETWEEN 84 PRECEDING AND 83 FOLLOWING) AS around
    FROM counted
    WINDOW week AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 168 PRECEDING AND 1 PRECEDING)),
waves AS (
    SELECT *, avg(y / around) OVER near AS wide_wave, avg(CASE WHEN known >= 24 THEN y / behind END) OVER near AS wave FROM leveled
    WINDOW near AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING)),
seasons AS (
    SELECT * EXCLUDE (behind, known, around, wide_wave, wave),
           CASE WHEN count(wide_wave) OVER weekly >= 2 THEN median(wide_wave) OVER weekly
                WHEN count(wave) OVER daily >= 3 THEN median(wave) OVER daily END AS season
    FROM waves
    WINDOW weekly AS (PARTITION BY by_week ORDER BY h RANGE BETWEEN 1400 PRECEDING AND 168 PRECEDING),
           daily AS (PARTITION BY by_day ORDER BY h RANGE BETWEEN 504 PRECEDING AND 2 PRECEDING)),
days AS (SELECT sid, day, median(y / season) AS level FROM seasons GROUP BY ALL),
levels AS (SELECT sid, day, median(level) OVER (PARTITION BY sid ORDER BY day RANGE BETWEEN 3 PRECEDING AND 1 PRECEDING) AS level FROM days),
expected AS (SELECT *, level * season AS e FROM seasons JOIN levels USING (sid, day)),
told AS (SELECT *, CASE WHEN e IS NOT NULL THEN greatest(0, (e / 2) ** 2 - 0.375) * c END AS m FROM expected),
apart AS (SELECT *, CASE WHEN good THEN deviance(x, m) END AS d FROM told),
spread AS (SELECT sid, day, median(abs(d)) AS spread FROM apart GROUP BY ALL),
scales AS (SELECT sid, day, greatest(1, 1.4826 * median(spread) OVER (PARTITION BY sid ORDER BY day RANGE BETWEEN 14 PRECEDING AND 1 PRECEDING)) AS scale FROM spread)
SELECT a.* EXCLUDE (season, level, d), coalesce(good AND abs(x - m) >= greatest(3, 0.25 * m) AND abs(d) > 4 * scale, false) AS odd
FROM apart a JOIN scales USING (sid, day);

CREATE OR REPLACE TEMP TABLE second_look AS
WITH cleaned AS (SELECT * EXCLUDE (e, m), CASE WHEN odd THEN e ELSE y END AS clean, CASE WHEN odd THEN m WHEN good THEN x END / c AS rate FROM first_look),
leveled AS (
    SELECT *, avg(clean) OVER week AS behind, count(clean) OVER week AS known,
           avg(clean) OVER (PARTITION BY sid ORDER BY h RANGE BETWEEN 84 PRECEDING AND 83 FOLLOWING) AS around
    FROM cleaned
    WINDOW week AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 168 PRECEDING AND 1 PRECEDING)),
waves AS (
    SELECT *, avg(clean / around) OVER near AS wide_wave, avg(CASE WHEN known >= 24 THEN clean / behind END) OVER near AS wave FROM leveled
    WINDOW near AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING)),
seasons AS (
    SELECT *, count(wide_wave) OVER weekly >= 2 AS taught, avg(rate) OVER (PARTITION BY by_hour ORDER BY h RANGE BETWEEN 672 PRECEDING AND 1 PRECEDING) AS mean,
           CASE WHEN count(wide_wave) OVER weekly >= 2 THEN median(wide_wave) OVER weekly
                WHEN count(wave) OVER daily >= 3 THEN median(wave) OVER daily END AS season
    FROM waves
    WINDOW weekly AS (PARTITION BY by_week ORDER BY h RANGE BETWEEN 1400 PRECEDING AND 168 PRECEDING),
           daily AS (PARTITION BY by_day ORDER BY h RANGE BETWEEN 504 PRECEDING AND 2 PRECEDING)),
days AS (SELECT sid, day, median(y / season) AS level FROM seasons GROUP BY ALL),
levels AS (SELECT sid, day, median(level) OVER (PARTITION BY sid ORDER BY day RANGE BETWEEN 3 PRECEDING AND 1 PRECEDING) AS level FROM days),
expected AS (SELECT *, CASE WHEN season * level IS NOT NULL THEN (season * level / 2) ** 2 - 0.375 END AS rated FROM seasons JOIN levels USING (sid, day))
-- A median of small counts is too low; where few are expected, the mean counts too.
SELECT sid, entity, system, figure, h, day, x, c, good, taught,
       CASE WHEN good AND rated IS NOT NULL THEN c * CASE WHEN rated < 3 THEN greatest(0, rated, mean) ELSE rated END END AS m,
       max(CASE WHEN good THEN x / c END) OVER past AS highest, count(y) OVER past AS hours
FROM expected
WINDOW past AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 672 PRECEDING AND 1 PRECEDING);

-- Sums over 1, 6 and 24 hours; in the longer ones an hour that stands out by
-- itself counts as expected, so that one trouble is not seen three times.
CREATE OR REPLACE TEMP TABLE summed AS
WITH alone AS (SELECT *, deviance(x, m) AS d FROM second_look WHERE m IS NOT NULL),
spread AS (SELECT sid, day, median(abs(d)) AS spread FROM alone GROUP BY ALL),
scales AS (SELECT sid, day, greatest(1, 1.4826 * median(spread) OVER (PARTITION BY sid ORDER BY day RANGE BETWEEN 14 PRECEDING AND 1 PRECEDING)) AS scale FROM spread),
calm AS (
    SELECT a.*, a.d / s.scale AS z, CASE WHEN abs(a.d) > w.far * s.scale THEN a.m ELSE a.x END AS calm
    FROM alone a JOIN scales s USING (sid, day) CROSS JOIN p_watch w),
sums AS (
    SELECT *, sum(calm) OVER six AS x6, sum(m) OVER six AS m6, sum(calm) OVER whole AS x24, sum(m) OVER whole AS m24 FROM calm
    WINDOW six AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 5 PRECEDING AND CURRENT ROW),
           whole AS (PARTITION BY sid ORDER BY h RANGE BETWEEN 23 PRECEDING AND CURRENT ROW)),
apart AS (SELECT *, deviance(x6, m6) AS d6, deviance(x24, m24) AS d24 FROM sums),
spreads AS (SELECT sid, day, median(abs(d6)) AS spread6, median(abs(d24)) AS spread24 FROM apart GROUP BY ALL),
longer AS (
    SELECT sid, day, greatest(1, 1.4826 * median(spread6) OVER fortnight) AS scale6, greatest(1, 1.4826 * median(spread24) OVER fortnight) AS scale24
    FROM spreads WINDOW fortnight AS (PARTITION BY sid ORDER BY day RANGE BETWEEN 14 PRECEDING AND 1 PRECEDING))
SELECT *, d6 / scale6 AS z6, d24 / scale24 AS z24 FROM apart JOIN longer USING (sid, day);

-- While the season is not known, only what is far beyond everything seen so far
-- counts; while only weekdays and weekends are known apart, twice the effect is asked.
INSERT INTO signal
WITH tested AS (
    SELECT s.*, unnest([{'span': 1, 'x': x, 'm': m, 'z': z}, {'span': 6, 'x': x6, 'm': m6, 'z': z6}, {'span': 24, 'x': x24, 'm': m24, 'z': z24}]) AS t
    FROM summed s CROSS JOIN p_watch w WHERE s.h >= w.from_us // 3600000000),
scored AS (
    SELECT v.entity, v.system, v.figure, v.h, v.t.span AS span, v.t.x AS x, v.t.m AS m, CASE WHEN v.t.z > 0 THEN k.up ELSE k.down END AS kind,
           least(abs(v.t.z) / (w.far * CASE WHEN v.taught THEN 1 ELSE 1.3 END),
                 abs(v.t.x - v.t.m) / greatest(k.least, CASE WHEN v.taught THEN 0.25 ELSE 0.5 END * v.t.m)) AS strength
    FROM tested v JOIN p_count k USING (figure) CROSS JOIN p_watch w
    UNION ALL
    SELECT s.entity, s.system, s.figure, s.h, 1, s.x, s.highest * s.c, k.up,
           least(s.x / s.c / (5 * greatest(s.highest, 0.1)), s.x / CASE WHEN k.rare THEN 5 ELSE 50 END)
    FROM second_look s JOIN p_count k USING (figure) CROSS JOIN p_watch w
    WHERE s.good AND s.m IS NULL AND s.hours >= 6 AND s.h >= w.from_us // 3600000000)
SELECT s.h, s.kind, s.entity, s.system, '', s.strength, '',
       shown(s.x, 1) || ' ' || k.what || ' in ' || s.span || ' h', 'about ' || shown(s.m, 1) || ' in that time', k.parts
FROM scored s JOIN p_count k USING (figure)
WHERE s.kind IS NOT NULL AND s.strength >= 0.6;
