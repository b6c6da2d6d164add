-- Live records that a proven sweep did not show. Left out are records that an
-- answer or another read showed after the sweep began ($1, microseconds), records
-- outside covers (the view covered), and records of partitions that are not
-- proven. where_seen is the partition that showed a record last; in a stream with
-- one partition ($2 is its name, else null) there is no question.
SELECT current._id, coalesce($2, where_seen.partition) AS partition
FROM current
JOIN covered USING (_key, _id)
LEFT JOIN where_seen USING (_key, _id)
WHERE current._op NOT IN ('delete', 'moved')
  AND epoch_us(current._asked_at) < $1
  AND coalesce($2, where_seen.partition) IN (SELECT partition FROM proven)
  AND NOT EXISTS (SELECT 1 FROM seen WHERE seen._khash = current._khash AND seen._id = current._id)
ORDER BY current._khash, current._key, current._id;
