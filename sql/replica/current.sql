-- What the replica says now of the records that a batch names, by key or by ID.
-- An ID is looked up too because it may have lived under another key.
SELECT current.*
FROM current
WHERE current._khash IN (SELECT _khash FROM named WHERE _khash IS NOT NULL)
   OR current._id IN (SELECT _id FROM named);
