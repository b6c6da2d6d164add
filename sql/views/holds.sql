-- What waits for a person, with every side: one row for each field, or presence, of a record that was ever held.
--
-- hold: its ID; decide takes it
-- entity: the record type
-- key: the record's key
-- field: the field, or the fields of a group joined by commas; empty for the presence of the record
-- kind: why it is held: hold (the rule says so), in_doubt (nobody can tell what we sent from an edit), lossy (golden holds more than the side shows), oscillation (two systems undo each other), check, against_update
-- golden: JSON of the golden values, by field
-- contenders: JSON of what each system shows against it, by system and field
-- reason: in words
-- state: open or closed
-- decision: the last decision on it, or null
-- first_run: the run that held it
-- first_at: when that was
-- run: the run that moved it last
-- recorded_at: when that was
SELECT hold, entity, _key AS key, field, kind, golden, contenders, reason, state, decision, first_run, first_at, run, recorded_at
FROM _holds;
