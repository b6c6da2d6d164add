-- The lowest seq that a reader of an entity's tables still needs: rows behind it
-- were taken in by everybody. A system that is away holds golden back as well.
SELECT coalesce(min(least(seq, CASE WHEN cursor_order > 0 THEN cursor_order ELSE seq END)), 0)
FROM checkpoints
WHERE kind = 'watermark' AND entity = $1;
