-- Records whose last sight cannot be believed, and could be now: a listing showed
-- them less than settle ($2, microseconds) after our own write to them, or after
-- their end, and by now ($3, microseconds) the listings have settled. A stream that
-- is read since a cursor may never list them again.
SELECT DISTINCT current._id, current._key
FROM current
JOIN (
    SELECT _khash, _key, id, epoch_us(changes.recorded_at) AS at_us FROM changes
    WHERE system = $1 AND state = 'applied' AND op <> 'delete'
    UNION ALL
    SELECT _khash, _key, id, epoch_us(crosswalk.recorded_at) FROM crosswalk
    WHERE system = $1 AND state IN ('gone', 'deleted')) shaky
  ON shaky._khash = current._khash AND shaky._key = current._key AND shaky.id = current._id
WHERE current._op IN ('upsert', 'touch')
  AND epoch_us(current._asked_at) BETWEEN shaky.at_us AND shaky.at_us + $2
  AND shaky.at_us + $2 < $3
ORDER BY current._id;
