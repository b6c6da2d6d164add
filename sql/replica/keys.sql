-- The key parts of a batch and which of its rows are tombstones. keyed is the
-- view that compiles the stream's expressions: one row per row of the batch.
SELECT * FROM keyed ORDER BY _row;
