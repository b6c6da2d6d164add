-- The resolved truth: one row for each key that any system ever held.
--
-- entity: the record type
-- key: the record's key, as canonical text
-- live: false when the record is deleted
-- record: JSON of the entity's fields
-- sources: JSON that says of each field which systems its value came from, the one that won first, or "person"
-- nulls: the fields that somebody cleared, between commas; other nulls were never set
-- version: rises with every change of a value or of presence
-- changed_at: the clock of the run that changed it last
SELECT entity, _key AS key, _live AS live, record, _sources AS sources, _nulls AS nulls,
       _version AS version, _changed_at AS changed_at
FROM _golden;
