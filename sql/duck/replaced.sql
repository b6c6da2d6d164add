-- The rows that a fold moves to the history, in the order of files, and those of
-- one key in the order of observation.
SELECT "$columns" FROM (SELECT r.* FROM _inputs AS r ANTI JOIN _winners USING (_seq, _ord, _pos)) ORDER BY "$order";
