-- Every disagreement that a rule decided: one row for each side that lost.
--
-- entity: the record type
-- key: the record's key
-- field: the entity's field; empty for the presence of the record
-- kind: overridden, or presence
-- system: the system whose value or delete lost
-- base: what was agreed before
-- seen: what the system showed
-- golden: what was golden before
-- chosen: what became golden
-- reason: the rule that decided, and for whom
-- run: the run that decided
-- recorded_at: the clock of that run
SELECT entity, _key AS key, field, kind, system, base, seen, golden, chosen, reason, run, recorded_at
FROM _conflicts;
