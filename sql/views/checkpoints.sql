-- Where every partition of every stream, and every reader, stands.
--
-- kind: cursor (where a partition stands), pass (how its last pass ended), scope (what the stream covers), sweep (how far a sweep came in a partition), swept (the last sweep that ended) or watermark (up to where a reader took it in)
-- entity: the record type
-- system: the system
-- partition: the partition; for a watermark the reader
-- cursor_literal: the cursor as the system wrote it
-- cursor_order: the same as a number, for comparison
-- last_id: the last record read; for a sweep the run that began it
-- page: the page to go on from, while a pass is unfinished
-- mode: incremental or sweep
-- state: running, done or failed
-- proven: true when the source gave a reason why there is nothing more
-- reason: that reason, or why there is none
-- rows: records read in the last pass
-- lateness_us: how late records became visible, in microseconds
-- fingerprint: digest of what the stream covers
-- seq: number of the commit that a watermark stands at
-- run: the run that wrote it
-- recorded_at: when that was
SELECT kind, entity, system, partition, cursor_literal, cursor_order, last_id, page, mode, state, proven, reason, rows,
       lateness_us, fingerprint, seq, run, recorded_at
FROM _checkpoints;
