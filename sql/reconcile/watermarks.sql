-- Where the last reconcile stood, for the entity (system '') and for each
-- system; a system has joined too once a person approved its plan.
SELECT c.system, c.seq, coalesce(c.cursor_order, 0),
       coalesce(c.state, '') = 'joined'
           OR EXISTS (FROM in_decisions d WHERE d.kind = 'approve' AND d.target = c.page AND d.target <> ''),
       coalesce(c.page, ''), coalesce(c.fingerprint, ''), c.at
FROM in_checkpoints c
WHERE c.kind = $1 AND c.entity = $2 AND c.partition = $3
ORDER BY c.system;
