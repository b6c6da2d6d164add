-- What a plan is about: every change that is not finished, of entity $1 (null: of
-- all), with the latest word of a person on its effect. $2 is now.
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT c.change, c.entity, c.system, c._khash, c._key, c.op, c.before, c.after, c.state, coalesce(c.reason, '') AS reason, c.plan,
       w.kind AS word, w.person, w.kind = 'approve' AND w.expires_at <= $2 AS expired, w.expires_at,
       -- An approval that was good when the change was last judged, and is over now.
       c.state = 'ready' AND coalesce(w.kind = 'approve' AND w.expires_at <= $2 AND w.expires_at > r.at, false) AS lapsed,
       NULL::VARCHAR AS approver, NULL::VARCHAR AS moved
FROM _changes c
LEFT JOIN (
    SELECT effect, kind, person, expires_at
    FROM (SELECT decision, kind, person, recorded_at, expires_at, unnest(CAST(effects::JSON AS VARCHAR[])) AS effect FROM _decisions)
    QUALIFY row_number() OVER (PARTITION BY effect ORDER BY recorded_at DESC, decision DESC) = 1) w
    ON w.effect = c.effect AND c.state IN ('planned', 'ready', 'held')
LEFT JOIN (
    SELECT entity, max(recorded_at) AS at FROM _checkpoints
    WHERE kind = 'watermark' AND system = '' AND partition = 'reconcile' GROUP BY entity) r ON r.entity = c.entity
WHERE c.state IN ('planned', 'ready', 'held', 'sent', 'in_doubt') AND ($1 IS NULL OR c.entity = $1);
