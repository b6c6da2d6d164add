-- What became of every request that changes something: one row for each that was sent.
--
-- change: the change that it makes
-- entity: the record type
-- system: where it was sent
-- key: the record's key
-- id: the system's own ID of the record
-- op: create, update or delete
-- attempt: 1 for the first try
-- before: JSON of the system's fields before it
-- after: JSON of the fields that it sets
-- protocol: what keeps it from being done twice
-- outcome: applied, applied_partly, already_true, not_kept, stale, rejected, refused, in_doubt, held, superseded or retryable; null: nothing was heard
-- status: the HTTP status of the answer, or null
-- evidence: how the outcome is known
-- settled: true when a read back found it out later
-- run: the run that sent it
-- sent_at: when its intent was stored
-- known_at: when its outcome was stored
SELECT i.change, i.entity, i.system, i.key, coalesce(o.id, i.id) AS id, i.op, i.attempt, i.before, i.after, i.protocol,
       o.outcome, o.status, o.evidence, coalesce(o.kind = 'settled', false) AS settled,
       i.run, i.recorded_at AS sent_at, o.recorded_at AS known_at
FROM (SELECT * FROM journal WHERE kind = 'intent') i
LEFT JOIN (
    SELECT * FROM journal WHERE kind <> 'intent'
    QUALIFY row_number() OVER (PARTITION BY change, attempt, generation ORDER BY recorded_at DESC, _seq DESC, _pos DESC) = 1) o
    ON o.change = i.change AND o.attempt = i.attempt AND o.generation IS NOT DISTINCT FROM i.generation;
