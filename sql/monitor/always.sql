-- Shares of a whole that are too much whatever was usual, so that they need no
-- history: those kinds that have an always.
INSERT INTO signal
WITH wholes AS (
    SELECT s.kind, s.what, f.entity, f.system, f.field, f.h, f.run, sum(f.value) FILTER (list_contains(s.parts, f.name)) AS part,
           sum(f.value) FILTER (list_contains(s.wholes, f.name)) AS whole
    FROM figure f JOIN p_share s ON list_contains(list_concat(s.parts, s.wholes), f.name)
    WHERE s.always IS NOT NULL GROUP BY ALL),
hourly AS (SELECT kind, what, entity, system, field, h, sum(least(part, whole)) AS k, sum(whole) AS n FROM wholes GROUP BY ALL)
SELECT t.h, t.kind, t.entity, t.system, t.field, least(t.k / t.n / s.always, t.n / s.few) AS strength, '',
       shown(100 * t.k / t.n, 1) || '% of ' || shown(t.n, 0) || ' ' || t.what || ' in 1 h', 'less than ' || shown(100 * s.always, 1) || '% at any time',
       list_concat(s.parts, s.wholes)
FROM hourly t
JOIN p_share s USING (kind, what)
CROSS JOIN p_watch w
WHERE t.h >= w.from_us // 3600000000 AND t.n >= s.few AND strength >= 0.6;
