-- The newest raw records of some keys in one system.
SELECT current.*
FROM current
WHERE _khash IN (SELECT unnest($1::BIGINT[])) AND _op NOT IN ('delete', 'moved')
ORDER BY _khash, _key, _id;
