-- The figures of every run: one row for each figure of each stream. What did not happen is 0.
--
-- run: the run
-- name: extract.read, load.applied, requests, ...
-- entity: the record type, or empty for figures of a whole system
-- system: the system
-- field: the field, quantile or the like that it is about, or null
-- value: the figure
-- recorded_at: when the run ended
SELECT run, name, entity, system, field, value, recorded_at
FROM _metrics;
