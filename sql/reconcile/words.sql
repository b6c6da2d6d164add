-- What people said, before anything is judged.

-- The latest word of a person on an effect counts.
CREATE OR REPLACE TEMP TABLE word AS
SELECT effect, kind
FROM (SELECT decision, kind, recorded_at, unnest(CAST(effects::JSON AS VARCHAR[])) AS effect
      FROM in_decisions
      WHERE kind = 'reject' OR expires_at IS NULL OR epoch_us(expires_at) > (SELECT run_at_us FROM p_run))
QUALIFY row_number() OVER (PARTITION BY effect ORDER BY recorded_at DESC, decision DESC) = 1;

-- Up to which moment a person approved what a quarantined stream said. The effect
-- that was approved names the finding, and what it showed.
CREATE OR REPLACE TEMP TABLE lifted AS
SELECT s.system, max(epoch_us(CAST(split_part(d.effect, ' as of ', 2) AS TIMESTAMP))) AS up_to_us
FROM p_system s
CROSS JOIN p_run r
JOIN (SELECT split_part(effect, ' ', 1) AS finding, effect FROM word WHERE kind = 'approve' AND contains(effect, ' as of ')) d
    ON d.finding = sha256(concat_ws(chr(31), 'quarantine', r.entity, s.system, '', ''))
GROUP BY s.system;
