-- What people decided: one row for each decision.
--
-- decision: its ID
-- kind: approve or reject
-- target: the plan, change or condition that was named
-- effects: JSON list of the digests that it covers
-- shown: JSON of what the person was shown
-- person: who decided
-- reason: why
-- recorded_at: when
-- expires_at: when it stops counting, or null
SELECT decision, kind, target, effects, shown, person, reason, recorded_at, expires_at
FROM _decisions;
