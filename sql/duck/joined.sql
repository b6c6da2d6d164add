-- The rows of some files laid together, in their order.
SELECT "$columns" FROM _inputs ORDER BY "$order";
