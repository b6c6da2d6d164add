-- Where each change stands: one row for each create, update or delete that golden ever wanted in a system.
--
-- change: its ID; approve and reject take it, or a prefix of 8 characters
-- entity: the record type
-- system: where it is to be made
-- key: the record's key
-- op: create, update or delete
-- id: the system's own ID of the record; null for a create
-- before: JSON of the system's fields before it
-- after: JSON of the fields that it sets
-- state: planned, ready, held, sent, in_doubt, applied, failed, superseded or rejected
-- reason: why it is in that state
-- plan: the plan that it waits in, or null
-- effect: digest of system, key, op, before and after: what an approval binds to
-- attempt: how often it was sent
-- golden_version: the version of the golden record that it comes from
-- run: the run that moved it last
-- recorded_at: when that was
SELECT change, entity, system, _key AS key, op, id, before, after, state, reason, plan, effect, attempt, golden_version, run, recorded_at
FROM _changes;
