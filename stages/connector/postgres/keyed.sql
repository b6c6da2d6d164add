-- Whether at most one row can have given values in some columns ($2, names) of a
-- table ($1): a unique index over nothing but them, that is valid, covers every
-- row, and is checked by each statement.
SELECT EXISTS (
  SELECT 1 FROM pg_index AS i
  WHERE i.indrelid = $1::regclass
    AND i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM pg_attribute AS a
      WHERE a.attrelid = i.indrelid
        AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
        AND a.attname <> ALL ($2::text[])))
