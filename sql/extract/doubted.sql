-- Records whose next sight is stored even if it tells nothing new: a write to
-- them has no known outcome, or was made less than settle ago.
SELECT DISTINCT _key
FROM changes
WHERE system = $1
  AND (state IN ('sent', 'in_doubt') OR (state = 'applied' AND epoch_us(changes.recorded_at) > $2));
