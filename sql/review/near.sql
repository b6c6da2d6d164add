-- Keys that look like $1: the nearest by edits, and those that it is a part of.
SELECT _key
FROM golden
WHERE damerau_levenshtein(lower(_key), lower($1)) <= greatest(2, length($1) // 3) OR contains(lower(_key), lower($1))
ORDER BY damerau_levenshtein(lower(_key), lower($1)), _key
LIMIT 5;
