-- What people decided: one row for each decision.
--
-- decision: its ID
-- kind: approve, reject or decide
-- target: the plan, change, hold or condition that was named
-- effects: JSON list of the digests that it covers
-- shown: JSON of what the person was shown
-- person: who decided
-- reason: why
-- recorded_at: when
-- expires_at: when it stops counting, or null
-- choice: JSON of what was chosen for a hold, or null
SELECT decision, kind, target, effects, shown, person, reason, recorded_at, expires_at, choice
FROM _decisions;
