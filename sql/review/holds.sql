-- Holds that are open, oldest first.
SELECT hold, entity, _key AS key, field, kind, reason, golden, contenders
FROM holds WHERE state = 'open'
ORDER BY first_at, entity, _key, field;
