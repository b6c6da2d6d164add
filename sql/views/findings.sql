-- What a person should know: one row for each finding, open or resolved.
--
-- finding: its ID; the same thing again is the same finding
-- kind: what was found
-- severity: high (a run ends with exit code 3) or low
-- entity: the record type it concerns, or empty
-- system: the system it concerns, or empty
-- field: the field it concerns, or null
-- key: the record it concerns, or null
-- observed: what was seen
-- expected: what was expected instead
-- evidence: a query that shows it
-- help: what to do about it
-- state: open or resolved
-- first_run: the run that saw it first
-- run: the run that saw it last
-- first_seen: when it was seen first
-- last_seen: when it was seen last
SELECT finding, kind, severity, entity, system, field, key, observed, expected, evidence, help, state,
       first_run, run, first_seen, last_seen
FROM _findings;
