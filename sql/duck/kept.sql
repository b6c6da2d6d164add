-- The rows that a fold keeps as the current ones, in the order of files.
SELECT "$columns" FROM _kept ORDER BY "$order";
