-- What is known of the candidates, as it stands before this reconcile. From here
-- on _key is the number of a key in its range, until rows.sql puts the key back.

CREATE OR REPLACE TEMP TABLE link0 AS
SELECT k._key, x.system, x.id, x.state, epoch_us(x.recorded_at) AS at_us, epoch_us(x.told_at) AS told_us
FROM in_crosswalk x JOIN cand k ON k._khash = x._khash AND k.key = x._key;

CREATE OR REPLACE TEMP TABLE tombstone0 AS
SELECT k._key, t.ids, t.source, t.live
FROM in_tombstones t JOIN cand k ON k._khash = t._khash AND k.key = t._key;

CREATE OR REPLACE TEMP TABLE tombstone_id0 AS
SELECT _key, system, unnest(ids) AS id
FROM (SELECT _key, e.key AS system, e.value AS ids
      FROM (SELECT _key, unnest(map_entries(CAST(ids::JSON AS MAP(VARCHAR, VARCHAR[])))) AS e FROM tombstone0));

CREATE OR REPLACE TEMP TABLE change0 AS
SELECT c.* REPLACE (coalesce(c.attempt, 0) AS attempt, k._key AS _key), k.key
FROM in_changes c JOIN cand k ON k._khash = c._khash AND k.key = c._key;

CREATE OR REPLACE TEMP TABLE applied_column AS
SELECT *, after[col] AS after_text, before[col] AS before_text
FROM (SELECT *, unnest(map_keys(after)) AS col
      FROM (SELECT _key, system, id, op, epoch_us(recorded_at) AS at_us, CAST(after::JSON AS MAP(VARCHAR, VARCHAR)) AS after, CAST(before::JSON AS MAP(VARCHAR, VARCHAR)) AS before
            FROM change0 WHERE state = 'applied' AND op <> 'delete'));

CREATE OR REPLACE TEMP TABLE difference0 AS
SELECT k._key, d.system, d.field, d.kind, d.golden, d.seen, d.reason
FROM in_differences d JOIN cand k ON k.key = d.key CROSS JOIN p_run r
WHERE d.open AND d.entity = r.entity;

CREATE OR REPLACE TEMP TABLE finding0 AS
SELECT k._key, f.kind, f.severity, f.system, f.observed
FROM in_findings f JOIN cand k ON k.key = f.key JOIN p_finding h USING (kind) CROSS JOIN p_run r
WHERE f.state = 'open' AND f.entity = r.entity;

-- What waits for a person, and what people decided of it since the watermark.
CREATE OR REPLACE TEMP TABLE hold0 AS
SELECT k._key, h.hold, h.field, h.kind, h.golden, h.contenders, h.reason, h.decision, h.first_run, h.first_at
FROM in_holds h JOIN cand k ON k._khash = h._khash AND k.key = h._key CROSS JOIN p_run r
WHERE h.state = 'open' AND h.entity = r.entity;

CREATE OR REPLACE TEMP TABLE decision0 AS
SELECT h._key, h.hold, h.field, d.decision, d.shown, d.choice, epoch_us(d.recorded_at) AS at_us
FROM in_decided d JOIN hold0 h ON h.hold = d.target
WHERE d.kind = 'decide'
QUALIFY row_number() OVER (PARTITION BY h.hold ORDER BY d.recorded_at DESC, d.decision DESC) = 1;

-- An open dead letter is found by the record's ID where its key could not be read.
CREATE OR REPLACE TEMP TABLE letter AS
WITH open AS (
    SELECT d.system, coalesce(d.id, '') AS id, coalesce(d.key, '') AS key, epoch_us(d.asked_at) AS asked_us
    FROM in_dead_letters d CROSS JOIN p_run r WHERE d.open AND d.entity = r.entity)
SELECT k._key, o.system, o.id, o.asked_us FROM open o JOIN cand k ON k.key = o.key
UNION
SELECT i._key, o.system, o.id, o.asked_us
FROM open o JOIN (SELECT _key, system, id FROM record UNION SELECT _key, system, id FROM link0) i ON i.system = o.system AND i.id = o.id
WHERE o.id <> '';

-- The last word on each of our writes since the watermark. What the system
-- answered is the observation that was stored in the same commit.
CREATE OR REPLACE TEMP TABLE outcome AS
SELECT c._khash, c.key, c._key, c.system, c.change, c.op, c.effect, coalesce(nullif(j.id, ''), c.id) AS id,
       j.outcome, j._seq AS seq, epoch_us(j.recorded_at) AS at_us, CAST(c.before::JSON AS MAP(VARCHAR, VARCHAR)) AS before,
       CAST(c.after::JSON AS MAP(VARCHAR, VARCHAR)) AS after, CAST(j.fields::JSON AS MAP(VARCHAR, VARCHAR)) AS fields
FROM in_journal j JOIN change0 c USING (change)
WHERE j.kind <> 'intent'
  AND j.outcome IN ('applied', 'applied_partly', 'already_true', 'not_kept', 'rejected', 'refused')
QUALIFY row_number() OVER (PARTITION BY c._key, c.system ORDER BY j._seq DESC, j._ord DESC, j._pos DESC) = 1;

CREATE OR REPLACE TEMP TABLE outcome_column AS
SELECT _key, system, change, op, col, after[col] AS after_text, before[col] AS before_text, coalesce(fields[col], outcome) AS outcome
FROM (SELECT *, unnest(map_keys(after)) AS col FROM outcome);
