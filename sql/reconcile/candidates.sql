-- Which keys are looked at: those that said something since the watermark,
-- those with work under way, those whose change was dropped because its system
-- could not be read (it is wanted again once the system is back), those whose
-- listings have just settled, those that
-- changed while a system was away. After the project file changed it is all of
-- them (everything.sql).
CREATE OR REPLACE TEMP TABLE candidate AS
SELECT _khash, _key FROM in_since
UNION
SELECT _khash, _key FROM in_changes WHERE state IN ('planned', 'ready', 'held', 'sent', 'in_doubt')
UNION
SELECT _khash, _key FROM in_changes WHERE state = 'superseded' AND reason LIKE 'unknown: %'
UNION
SELECT c._khash, c._key FROM in_journal j JOIN in_changes c USING (change) WHERE j.kind <> 'intent'
UNION
SELECT c._khash, c._key FROM in_changes c JOIN p_system s USING (system), p_run r
WHERE c.state = 'applied' AND s.settle_us > 0 AND epoch_us(c.recorded_at) >= r.last_at_us - s.settle_us
UNION
SELECT x._khash, x._key FROM in_crosswalk x JOIN p_system s USING (system), p_run r
WHERE x.state IN ('gone', 'deleted') AND s.settle_us > 0 AND epoch_us(x.recorded_at) >= r.last_at_us - s.settle_us
UNION
SELECT h._khash, h._key FROM in_holds h CROSS JOIN p_run r WHERE h.state = 'open' AND h.entity = r.entity
UNION
SELECT _khash, _key FROM in_golden_behind;
