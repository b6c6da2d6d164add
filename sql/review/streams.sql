-- Where each partition of each stream stands.
SELECT entity, system, partition, mode, state, proven, reason, rows, cursor_literal, run, recorded_at
FROM checkpoints
WHERE kind = 'cursor'
ORDER BY entity, system, partition;
