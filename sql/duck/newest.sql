-- The rows that count of a table whose newest row per key counts: the folded rows
-- without the keys of the deltas, and the newest row of each of those keys. Every
-- delta is newer than every folded row. Both sides read their files by
-- themselves, so that what a query asks of keys reaches the files; nothing sorts
-- more than the deltas.
CREATE OR REPLACE TEMP VIEW "$view" AS
WITH
f AS NOT MATERIALIZED (SELECT * FROM "$folded"),
d AS NOT MATERIALIZED (SELECT * FROM "$deltas"),
n AS NOT MATERIALIZED (
  SELECT * FROM d
  QUALIFY row_number() OVER (PARTITION BY "$key" ORDER BY _seq DESC, _ord DESC, _pos DESC) = 1)
SELECT "$columns" FROM (SELECT f.* FROM f ANTI JOIN (SELECT "$key" FROM d) AS n ON "$same")
UNION ALL
SELECT "$columns" FROM n;
