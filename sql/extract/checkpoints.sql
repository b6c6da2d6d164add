-- Where the partitions of one stream stand, the scope they were read under, and
-- how far its sweeps came.
SELECT kind, partition, cursor_literal, cursor_order, last_id, page,
       coalesce(lateness_us, 0) AS lateness_us, fingerprint, state, coalesce(proven, false), coalesce(reason, ''), coalesce(rows, 0)
FROM checkpoints
WHERE entity = $1 AND system = $2 AND kind IN ('cursor', 'scope', 'sweep', 'swept')
ORDER BY kind, partition;
