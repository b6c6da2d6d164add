-- The rows that count of a table whose greatest observation per key counts. A
-- delta may be older than the folded row of its key, since systems tell things
-- late, so the newest delta of each key is compared with that row. A delta that
-- says the same as the folded row stands later in the lake. Nothing sorts more
-- than the deltas.
CREATE OR REPLACE TEMP VIEW "$view" AS
WITH
f AS NOT MATERIALIZED (SELECT * FROM "$folded"),
d AS NOT MATERIALIZED (SELECT * FROM "$deltas"),
n AS NOT MATERIALIZED (
  SELECT * FROM d
  QUALIFY row_number() OVER (PARTITION BY "$key" ORDER BY
    _version DESC NULLS LAST, _epoch DESC NULLS LAST, _asked_at DESC NULLS LAST,
    _seq DESC, _ord DESC, _pos DESC) = 1)
SELECT "$columns" FROM (
  SELECT f.* FROM f LEFT JOIN n ON "$same"
  WHERE n._seq IS NULL
     OR _later(f._version, f._epoch, f._asked_at, n._version, n._epoch, n._asked_at))
UNION ALL
SELECT "$columns" FROM (
  SELECT n.* FROM n LEFT JOIN f ON "$same"
  WHERE f._seq IS NULL
     OR NOT _later(f._version, f._epoch, f._asked_at, n._version, n._epoch, n._asked_at));
