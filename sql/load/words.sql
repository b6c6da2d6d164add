-- What people's latest word on an effect is: 'approve', 'reject', or 'expired' for an
-- approval that is over by now ($1, in microseconds) but was not yet when entity $2
-- was last reconciled, so that a change may be ready because of it.
CREATE OR REPLACE TEMP TABLE word AS
SELECT effect, CASE WHEN counts THEN kind ELSE 'expired' END AS kind
FROM (
    SELECT decision, kind, recorded_at, expires_at, unnest(from_json(effects, '["VARCHAR"]')) AS effect,
           kind = 'reject' OR coalesce(epoch_us(expires_at) > $1, true) AS counts
    FROM decisions
    WHERE kind IN ('approve', 'reject')
)
WHERE counts OR expires_at > coalesce((
    SELECT max(recorded_at) FROM checkpoints
    WHERE kind = 'watermark' AND entity = $2 AND system = '' AND partition = 'reconcile'), make_timestamptz(0))
QUALIFY row_number() OVER (PARTITION BY effect ORDER BY counts DESC, recorded_at DESC, decision DESC) = 1;
