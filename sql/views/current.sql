-- What each system shows now: one row for each of its records.
--
-- entity: the record type, as the project file names it
-- system: the system that shows it
-- key: the record's key, as canonical text
-- id: the system's own ID of the record
-- state: live, gone (deleted there, proven), missing (not seen by a sweep, and not proven gone) or moved (its ID has another key now)
-- record: JSON of the stream's declared fields
-- extra: JSON of what the system sent beside them, or null
-- version: when the system changed it, in microseconds since 1970 UTC, or its version number; null where it gives none
-- asked_at: when the request began that showed this
-- run: the run that read it
SELECT entity, system, _key AS key, _id AS id,
       CASE _op WHEN 'upsert' THEN 'live' WHEN 'touch' THEN 'live' WHEN 'delete' THEN 'gone' ELSE _op END AS state,
       record, _extra AS extra, _version AS version, _asked_at AS asked_at, _run AS run
FROM _current;
