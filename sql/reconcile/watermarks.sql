-- Where the last reconcile stood, for the entity (system '') and for each
-- system. A system has joined too once a person approved its plan. It was read to
-- its end if every partition of its last pass was.
WITH passes AS (
    SELECT system, bool_and(state = 'done') AS passed
    FROM in_checkpoints WHERE kind IN ('cursor', 'pass') AND entity = $2 GROUP BY system),
marks AS (FROM in_checkpoints WHERE kind = $1 AND entity = $2 AND partition = $3)
SELECT coalesce(m.system, p.system), coalesce(m.seq, 0), coalesce(m.cursor_order, 0),
       coalesce(m.state, '') = 'joined'
           OR EXISTS (FROM in_decisions d WHERE d.kind = 'approve' AND d.target = m.page AND d.target <> ''),
       coalesce(p.passed, false), coalesce(m.page, ''), coalesce(m.fingerprint, ''), coalesce(m.recorded_at, make_timestamptz(0::BIGINT))
FROM marks m FULL JOIN passes p ON p.system = m.system
ORDER BY 1;
