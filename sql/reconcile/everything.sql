-- After the project file changed every key is looked at.
CREATE OR REPLACE TEMP TABLE candidate AS
SELECT _khash, _key FROM in_everything
UNION
SELECT _khash, _key FROM candidate;
