-- What people decided is taken in before anything new is judged: a decision is
-- news whose source is a person.

CREATE OR REPLACE TEMP TABLE choice AS
SELECT d._key, d.field, d.at_us, d.shown, json_extract_string(d.choice, '$.take') AS take,
       coalesce(json_extract_string(d.choice, '$.leave') = 'true', false) AS leave,
       from_json(coalesce(json_extract(d.choice::JSON, '$.value'), '{}'), '"MAP(VARCHAR, VARCHAR)"') AS "values"
FROM decision0 d WHERE d.field <> '';

UPDATE golden1 SET state = c.state, value = c.value, source = 'person', edit_since = c.at_us, edit_until = c.at_us
FROM (SELECT c._key, f.field, c.at_us, map_contains(c."values", f.field) AS says,
             CASE WHEN NOT says THEN g.state WHEN c."values"[f.field] IS NULL THEN 'null' ELSE 'value' END AS state,
             CASE WHEN says THEN c."values"[f.field] ELSE g.value END AS value
      FROM choice c
      JOIN p_field f ON f.unit = c.field
      JOIN golden1 g ON g._key = c._key AND g.field = f.field
      WHERE NOT c.leave) c
WHERE golden1._key = c._key AND golden1.field = c.field AND c.state <> 'unset';

-- It judges every contender that it showed, also of a system that is unknown now:
-- the base of the ID that showed it becomes the value as shown.
CREATE OR REPLACE TEMP TABLE settled AS
WITH side AS (SELECT _key, field AS unit, leave, unnest(map_entries(from_json(shown::JSON, '"MAP(VARCHAR, STRUCT(id VARCHAR, version BIGINT, fields MAP(VARCHAR, STRUCT(state VARCHAR, value VARCHAR))))"'))) AS s FROM choice)
SELECT s._key, s.leave, s.s.key AS system, s.s.value.id AS id, s.s.value.version AS version, f.field,
       s.s.value.fields[f.field].state AS state, s.s.value.fields[f.field].value AS value
FROM side s JOIN p_field f USING (unit)
WHERE s.s.value.fields[f.field].state IN ('value', 'null');

UPDATE base1 SET state = s.state, value = s.value, version = s.version
FROM settled s JOIN base_record1 r ON r._key = s._key AND r.system = s.system AND r.id = s.id
WHERE base1._key = s._key AND base1.system = s.system AND base1.field = s.field;
