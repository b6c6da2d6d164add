-- Keys of which more than the values of some fields may change: all their fields
-- are looked at. Of the others only those in which some system and golden are not
-- one (compile.Loud). Only a new ID and an answer need it, as far as games show: the
-- rest is a margin, since what is under way is little and must not be overlooked.
CREATE OR REPLACE TEMP TABLE whole AS
SELECT k._key FROM cand k ANTI JOIN (FROM golden_record0 WHERE live) g USING (_key)
UNION
-- A record came, went, moved, or has another ID than the one that was judged.
SELECT coalesce(r._key, b._key)
FROM record r FULL JOIN base_record0 b ON b._key = r._key AND b.system = r.system
WHERE r.op IS NULL OR r.op NOT IN ('upsert', 'touch') OR b.id IS DISTINCT FROM r.id
UNION
SELECT r._key FROM record r JOIN p_system s USING (system) WHERE NOT s.joined
UNION
SELECT _key FROM link0 WHERE state <> 'live'
UNION
SELECT _key FROM tombstone0
UNION
-- Something of it waits, failed, or was answered.
SELECT _key FROM outcome
UNION
SELECT _key FROM change0 WHERE state IN ('sent', 'in_doubt', 'held')
UNION
SELECT _key FROM hold0
UNION
SELECT _key FROM difference0
UNION
SELECT _key FROM finding0
UNION
SELECT _key FROM letter
UNION
SELECT _key FROM went_back;
