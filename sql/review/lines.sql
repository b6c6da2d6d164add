-- The chosen changes as lines for people: those of the same effect are one line.
-- $1: JSON of which entity field each column of a stream serves, and by which
-- rule that field is decided. $2: a line of its own for every change. $3: at most
-- so many lines per stream and state.
WITH serves AS (
    SELECT unnest(from_json($1, '[{"entity":"VARCHAR","system":"VARCHAR","col":"VARCHAR","field":"VARCHAR","rule":"VARCHAR"}]'), recursive := true)),
golden AS (
    SELECT g.entity, g._key, g._changed_at, -- a value that several systems gave names them all
           map_from_entries(list_transform(map_entries(CAST(coalesce(g._sources, '{}')::JSON AS MAP(VARCHAR, VARCHAR))),
               lambda e: {'key': e.key, 'value': string_split_regex(e.value, '[ ,]+')})) AS sources
    FROM _golden g
    SEMI JOIN chosen c ON c.entity = g.entity AND c._khash = g._khash AND c._key = g._key),
overruled AS (
    SELECT c.entity, c._key, c.field, c.system
    FROM _conflicts c
    JOIN golden g ON g.entity = c.entity AND g._key = c._key
    WHERE c.kind = 'overridden' AND c.recorded_at >= g._changed_at
    GROUP BY ALL),
touched AS (SELECT change, entity, system, _key, op, unnest(json_keys(after)) AS col FROM chosen WHERE op <> 'delete'),
origin AS (
    SELECT t.change, array_to_string(g.sources[s.field], ', ') AS by_whom,
           CASE WHEN t.op = 'create' THEN NULL WHEN list_contains(g.sources[s.field], 'person') THEN 'decision' ELSE s.rule END AS rule,
           CASE WHEN NOT list_contains(g.sources[s.field], o.system) THEN o.system END AS over
    FROM touched t
    JOIN serves s ON s.entity = t.entity AND s.system = t.system AND s.col = t.col
    JOIN golden g ON g.entity = t.entity AND g._key = t._key
    LEFT JOIN overruled o ON o.entity = t.entity AND o._key = t._key AND o.field = s.field AND t.op = 'update'
    UNION ALL
    SELECT c.change, d.source, 'delete', NULL
    FROM chosen c JOIN _tombstones d ON d.entity = c.entity AND d._khash = c._khash AND d._key = c._key WHERE c.op = 'delete'),
provenance AS (
    SELECT change, string_agg(DISTINCT by_whom, ', ' ORDER BY by_whom) AS by_whom, string_agg(DISTINCT rule, ', ' ORDER BY rule) AS rule,
           string_agg(DISTINCT over, ', ' ORDER BY over) AS over
    FROM origin GROUP BY change),
line AS (
    SELECT c.entity, c.system, c.state, c.op, c.reason, c.word, c.person, c.expired, c.approver, c.moved, p.by_whom, p.rule, p.over,
           any_value(c.before) AS before, any_value(c.after) AS after, any_value(c.change) AS change, max(c.expires_at) AS expires_at,
           count(*) AS records, min(c._key, 3) AS keys
    FROM chosen c
    LEFT JOIN provenance p USING (change)
    GROUP BY c.entity, c.system, c.state, c.op, c.reason, c.word, c.person, c.expired, c.approver, c.moved, p.by_whom, p.rule, p.over,
             CASE WHEN c.op = 'update' THEN c.before END, CASE WHEN c.op = 'update' THEN c.after END, CASE WHEN $2 THEN c.change END)
SELECT entity, system, state, op, reason, word, person, expired, expires_at, approver, moved, by_whom, rule, over, before, after, change, records, to_json(keys)::VARCHAR AS keys,
       count(*) OVER w AS lines, sum(records) OVER w AS all_records
FROM line
WINDOW w AS (PARTITION BY entity, system, state)
QUALIFY row_number() OVER (PARTITION BY entity, system, state ORDER BY op = 'update', op, records DESC, keys[1], change) <= $3
ORDER BY entity, system, state, op = 'update', op, records DESC, keys[1], change;
