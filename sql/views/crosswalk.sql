-- Which ID in which system is which key. Only records listed here are ever deleted anywhere.
--
-- entity: the record type
-- key: the record's key
-- system: the system
-- id: the system's own ID
-- state: live, missing, gone (proven, or by a tombstone), deleted (by us) or moved (to another key)
-- run: the run that noted it
-- recorded_at: when that was
SELECT entity, _key AS key, system, id, state, run, recorded_at
FROM _crosswalk;
