-- From what is wanted to the change set: what is new, what stays, what may be
-- sent, and what waits for a person.

CREATE OR REPLACE TEMP TABLE standing_change AS
SELECT c.* FROM in_changes c SEMI JOIN candidate k ON k._khash = c._khash AND k._key = c._key;

CREATE OR REPLACE TEMP TABLE open_change AS
FROM standing_change WHERE state IN ('planned', 'ready') OR state = 'held' AND coalesce(attempt, 0) = 0;

-- A change is told by its effect and the observation that it corrects. One that was
-- sent in this form and failed is wanted again, with a request of its own: what a
-- system refused for good is a known difference, and is not among what is wanted.
CREATE OR REPLACE TEMP TABLE wanted AS
WITH named AS (
    SELECT w.*, sha256(concat_ws(chr(31), w.effect,
           CASE w.op WHEN 'create' THEN 'create:' || w.link_us
                ELSE concat_ws(':', w.id, w.hash, coalesce(w.version::VARCHAR, ''), w.asked_us) END)) AS change
    FROM all_want w)
SELECT n.*, n.op || 's' AS kind,
       CASE WHEN d.kind = 'reject' THEN 'rejected'
            WHEN d.kind = 'approve' THEN 'ready'
            WHEN o.change IS NOT NULL AND NOT r.yes THEN 'planned'
            WHEN (NOT s.joined OR n.unjoined) AND NOT r.yes THEN 'planned'
            WHEN n.asks AND NOT ((NOT s.joined OR n.unjoined OR o.change IS NOT NULL) AND r.yes) THEN 'held'
            ELSE 'ready' END AS state,
       coalesce(d.kind = 'approve', false) OR (NOT s.joined OR n.unjoined OR o.change IS NOT NULL) AND r.yes AS approved,
       CASE WHEN o.plan IS NOT NULL THEN o.plan
            WHEN NOT s.joined OR n.unjoined THEN r.plan
            ELSE '' END AS plan,
       coalesce(e.attempt, 0) AS attempt, coalesce(e.generation, 0) + coalesce(e.state = 'failed', false)::INTEGER AS generation
FROM named n
JOIN p_system s USING (system)
CROSS JOIN p_run r
LEFT JOIN word d ON d.effect = n.effect
LEFT JOIN (SELECT _key, system, max(change) AS change, max(plan) AS plan FROM open_change WHERE state = 'planned' GROUP BY ALL) o
       ON o._key = n._key AND o.system = n.system
LEFT JOIN standing_change e ON e.change = n.change
WHERE e.change IS NULL OR e.state IN ('planned', 'ready', 'held', 'superseded', 'failed');

-- How many keys of a system each kind of change touches, in this run and in the
-- window; what a person approved, or a plan covered, does not count.
CREATE OR REPLACE TEMP TABLE volume AS
SELECT system, kind, count(DISTINCT _key) AS keys
FROM (
    SELECT system, kind, _key FROM wanted WHERE state = 'ready' AND NOT approved
    UNION ALL
    SELECT c.system, c.op || 's', c._key
    FROM in_changes c
    WHERE c.state IN ('sent', 'in_doubt', 'applied') AND coalesce(c.plan, '') = ''
      AND epoch_us(c.recorded_at) > (SELECT run_at_us - window_us FROM p_run)
      AND NOT EXISTS (FROM word d WHERE d.effect = c.effect AND d.kind = 'approve'))
GROUP BY system, kind;
