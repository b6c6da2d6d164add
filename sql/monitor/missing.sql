-- One record that a sweep does not show, and that nobody can prove gone, is worth
-- a word where that does not happen; the finding stays for as long as there is one.
INSERT INTO signal
SELECT f.h, 'missing_records', f.entity, f.system, '', CASE WHEN f.usual > 0 THEN 0.7 ELSE 1 END, '',
       shown(f.value, 0) || ' records that a sweep did not show and nobody could prove gone', 'about ' || f.usual, ['extract.missing_now']
FROM (SELECT *, coalesce(median(value) OVER (PARTITION BY entity, system ORDER BY at_us ROWS BETWEEN 14 PRECEDING AND 1 PRECEDING), 0) AS usual
      FROM figure WHERE name = 'extract.missing_now') f
CROSS JOIN p_watch w
WHERE f.value > 0 AND f.h >= w.from_us // 3600000000;
