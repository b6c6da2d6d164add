-- The streams that are overdue as of the clock.
SELECT entity, system, observed, expected
FROM signal
WHERE kind = 'freshness' AND strength >= 1
ORDER BY entity, system;
