-- Records that do not fit their declared types: one row for each.
--
-- entity: the record type
-- system: the system that sent it
-- letter: the record's ID, or a hash of what was sent
-- partition: the partition that it was read in
-- id: the record's ID; empty where not even that could be read
-- key: the record's key, where it is known
-- field: the field that does not fit, or empty
-- reason: why it does not fit
-- payload: what was sent, cut where it is very long
-- open: true until the record fits again
-- run: the run that read it
-- asked_at: when the request began
SELECT entity, system, letter, partition, id, key, field, reason, payload, open, run, asked_at
FROM _dead_letters;
