-- Pairs of values that stay apart, and why: one row for each field of a record in a system.
--
-- entity: the record type
-- key: the record's key
-- system: the system that differs
-- field: the entity's or the system's field; empty for the presence of the record
-- kind: rejected (by a person), refused (by the system) or overridden (nothing is written there)
-- golden: what golden says, or the digest of the change that was refused
-- seen: what the system shows
-- reason: why they stay apart
-- open: false when they agree again
-- run: the run that noted it
-- recorded_at: when that was
SELECT entity, key, system, field, kind, golden, seen, reason, open, run, recorded_at
FROM _differences;
