-- Keys that golden gave up, with the IDs that held them.
--
-- entity: the record type
-- key: the record's key
-- ids: JSON of the IDs by system
-- source: the system whose delete it was
-- live: false when the key has begun a new life
-- run: the run that deleted it
-- recorded_at: the clock of that run
SELECT entity, _key AS key, ids, source, live, run, recorded_at
FROM _tombstones;
