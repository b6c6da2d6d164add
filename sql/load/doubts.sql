-- Changes of one system that were sent and have no known outcome, with the time of
-- the first and of the last send. A doubted create has happened where a listing has
-- shown its key since then; those that were held for a person are among them only
-- where that is so. A doubted delete has happened where the record is proven absent
-- since then.
SELECT changes.*, sends.first_at, sends.last_at, sends.idempotency_key, shown.id AS shown_id, ended._id IS NOT NULL AS ended
FROM changes
JOIN (
    SELECT change, min(recorded_at) AS first_at, max(recorded_at) AS last_at, arg_max(idempotency_key, recorded_at) AS idempotency_key
    FROM journal
    WHERE kind = 'intent'
    GROUP BY change
) AS sends USING (change)
LEFT JOIN (
    SELECT _khash, _key, min(_id) AS id, max(_asked_at) AS asked_at
    FROM current
    WHERE _op IN ('upsert', 'touch')
    GROUP BY _khash, _key
) AS shown ON shown._khash = changes._khash AND shown._key = changes._key AND shown.asked_at > sends.first_at AND changes.op = 'create'
LEFT JOIN (
    SELECT _khash, _key, _id, _asked_at AS asked_at
    FROM current
    WHERE _op = 'delete'
) AS ended ON ended._khash = changes._khash AND ended._key = changes._key AND ended._id = changes.id AND ended.asked_at > sends.first_at AND changes.op = 'delete'
WHERE system = $1 AND (state IN ('sent', 'in_doubt') OR state = 'held' AND attempt > 0 AND shown.id IS NOT NULL)
ORDER BY changes._khash, changes._key, change;
