-- Where the partitions of one stream stand, and the scope they were read under.
SELECT kind, partition, cursor_literal, cursor_order, last_id, page,
       coalesce(lateness_us, 0) AS lateness_us, fingerprint
FROM checkpoints
WHERE entity = $1 AND system = $2 AND kind IN ('cursor', 'scope')
ORDER BY kind, partition;
