-- What a load is about: every change that run $1 sent or settled, with what became
-- of it last. Evidence is of interest where it was not simply done.
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT c.change, c.entity, c.system, c._khash, c._key, c.op, c.before, c.after, j.outcome AS state,
       CASE WHEN j.outcome IN ('applied', 'already_true') THEN '' ELSE coalesce(j.evidence, '') END AS reason, NULL::VARCHAR AS plan,
       NULL::VARCHAR AS word, NULL::VARCHAR AS person, NULL::BOOLEAN AS expired, NULL::TIMESTAMPTZ AS expires_at, false AS lapsed,
       NULL::VARCHAR AS approver, NULL::VARCHAR AS moved
FROM (
    SELECT change, coalesce(outcome, 'unknown') AS outcome, evidence FROM journal WHERE run = $1
    QUALIFY row_number() OVER (PARTITION BY change ORDER BY attempt DESC, kind = 'intent', recorded_at DESC, _seq DESC, _pos DESC) = 1) j
JOIN _changes c USING (change);
