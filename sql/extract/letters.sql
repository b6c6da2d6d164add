-- Open dead letters of a stream that name a record.
SELECT DISTINCT id FROM dead_letters
WHERE entity = $1 AND system = $2 AND open AND id IS NOT NULL;
