-- What waits for a person: a row for every hold that opens, changes or closes.

CREATE OR REPLACE TEMP TABLE hold1 AS
SELECT sha256(concat_ws(chr(31), r.entity, k.key, h.field)) AS hold, h.*
FROM (SELECT _key, field, kind, golden, contenders, reason FROM field_hold
      UNION ALL
      SELECT _key, '', kind, golden, contenders, reason FROM presence_hold) h
JOIN cand k USING (_key)
CROSS JOIN p_run r;

-- A hold that a person decided begins anew where its sides went on meanwhile.
INSERT INTO out_holds
SELECT k._khash, k.key, h.hold, r.entity, h.field, h.kind, h.golden, h.contenders, h.reason, 'open', coalesce(d.decision, o.decision),
       CASE WHEN o.hold IS NULL OR d.hold IS NOT NULL THEN r.run ELSE o.first_run END,
       CASE WHEN o.hold IS NULL OR d.hold IS NOT NULL THEN make_timestamptz(r.run_at_us) ELSE o.first_at END,
       r.run, make_timestamptz(r.run_at_us)
FROM hold1 h
JOIN cand k USING (_key)
CROSS JOIN p_run r
LEFT JOIN hold0 o ON o.hold = h.hold
LEFT JOIN decision0 d ON d.hold = h.hold
WHERE o.hold IS NULL OR d.hold IS NOT NULL OR h.kind <> o.kind OR h.reason <> o.reason
   OR h.golden <> o.golden OR h.contenders <> o.contenders
UNION ALL
SELECT k._khash, k.key, o.hold, r.entity, o.field, o.kind, o.golden, o.contenders,
       CASE WHEN d.hold IS NOT NULL THEN 'decided by a person' WHEN o.kind = 'check' THEN 'no check would break any more'
            WHEN o.kind = 'lossy' THEN 'nothing would be lost any more' ELSE 'nobody contends any more' END, 'closed', coalesce(d.decision, o.decision),
       o.first_run, o.first_at, r.run, make_timestamptz(r.run_at_us)
FROM hold0 o
JOIN cand k USING (_key)
CROSS JOIN p_run r
LEFT JOIN decision0 d ON d.hold = o.hold
ANTI JOIN hold1 h ON h.hold = o.hold;
