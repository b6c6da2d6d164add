-- How many fields and records stay apart on purpose: nothing is sent for them.
SELECT count(*) FROM _differences WHERE open AND ($1 IS NULL OR entity = $1);
