-- Everything that each system ever said: one row for each observation that told something new.
--
-- entity: the record type
-- system: the system that said it
-- key: the record's key, as canonical text
-- id: the system's own ID of the record
-- op: upsert, delete, moved, touch (the same values again, for a reason) or missing
-- record: JSON of the stream's declared fields, laid over what was known before
-- extra: JSON of what the system sent beside them, or null
-- present: the fields that this answer carried, between commas
-- version: when the system changed it, in microseconds since 1970 UTC, or its version number
-- asked_at: when the request began
-- run: the run that read it
-- seq: number of the commit that stored it
SELECT entity, system, _key AS key, _id AS id, _op AS op, record, _extra AS extra, _present AS present,
       _version AS version, _asked_at AS asked_at, _run AS run, _seq AS seq
FROM _history;
