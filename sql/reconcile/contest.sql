-- Who contends, who covers whom, and who wins by the rule.

-- A contender covers another if its own value, held in the other's system, would
-- show as the other's.
CREATE OR REPLACE TEMP TABLE cover AS
SELECT a._key, a.unit, a.system AS name, b.system AS covered
FROM claim a
JOIN claim b ON b._key = a._key AND b.unit = a.unit AND b.field = a.field AND b.system <> a.system
JOIN party p ON p._key = b._key AND p.system = b.system
JOIN p_maps m ON m.system = b.system AND m.field = b.field
LEFT JOIN laid_claim v ON v._variant = a._variant AND v._key = b._key AND v.system = b.system AND v.id = p.id AND v.field = b.field
WHERE b.carried
GROUP BY a._key, a.unit, a.system, b.system
HAVING bool_and(CASE WHEN a.state = 'unset' THEN false
                     WHEN m.writes THEN coalesce(v.state, 'absent') = b.shown_state AND v.value IS NOT DISTINCT FROM b.shown_value
                     ELSE a.state = b.shown_state AND a.value IS NOT DISTINCT FROM b.shown_value END)
UNION ALL
SELECT c._key, c.unit, c.system, ''
FROM claim c JOIN golden_old g ON g._key = c._key AND g.field = c.field
GROUP BY c._key, c.unit, c.system
HAVING bool_and(c.state = g.state AND c.value IS NOT DISTINCT FROM g.value);

-- Golden contends if somebody with news had not seen it. It ranks as the best of
-- the sources that its provenance names, a person first.
CREATE OR REPLACE TEMP TABLE golden_side AS
WITH contends AS (
    SELECT g._key, f.unit,
           CASE WHEN bool_and(g.edit_since IS NOT NULL OR g.state = 'unset') THEN min(g.edit_since) END AS since,
           CASE WHEN bool_and(g.edit_until IS NOT NULL OR g.state = 'unset') THEN max(g.edit_until) END AS until,
           unnest(string_split(coalesce(string_agg(g.source, ' '), ''), ' ')) AS source
    FROM golden_old g
    JOIN p_field f USING (field)
    SEMI JOIN (FROM side_news WHERE unseen) u ON u._key = g._key AND u.unit = f.unit
    ANTI JOIN ruler r ON r._key = g._key AND r.unit = f.unit
    GROUP BY g._key, f.unit
    HAVING bool_or(g.state <> 'unset'))
SELECT c.*, CASE c.source WHEN 'person' THEN -1 ELSE coalesce(a.rank, 1000000) END AS rank
FROM contends c
LEFT JOIN p_rank a ON a.unit = c.unit AND a.system = c.source
QUALIFY row_number() OVER (PARTITION BY c._key, c.unit ORDER BY c.source <> 'person', a.rank NULLS LAST, c.source) = 1;

-- An edit lies between the version under which the field's base was judged and
-- that of its observation; without times, all that is known is when it was shown.
CREATE OR REPLACE TEMP TABLE contender AS
SELECT c._key, c.unit, c.system AS name, true AS is_side, c.system AS source, coalesce(a.rank, 1000000) AS rank,
       CASE WHEN s.timed AND count(*) FILTER (c.is_news) = count(c.base_version) FILTER (c.is_news) THEN min(c.base_version) FILTER (c.is_news) END AS since,
       CASE WHEN s.timed THEN coalesce(p.version, p.asked_us) ELSE p.asked_us END AS until,
       s.timed AND p.version IS NOT NULL AS is_clock
FROM claim c
JOIN party p USING (_key, system)
JOIN p_system s USING (system)
ANTI JOIN ruler r ON r._key = c._key AND r.unit = c.unit
LEFT JOIN p_rank a ON a.unit = c.unit AND a.system = c.system
GROUP BY c._key, c.unit, c.system, a.rank, s.timed, p.version, p.asked_us
UNION ALL
SELECT _key, unit, '', false, source, rank, since, until, true FROM golden_side;

-- A contender is dropped only for a kept one that covers it: those that are
-- covered and cover not back are looked at last, else golden first, then by name.
CREATE OR REPLACE TEMP TABLE kept AS
WITH one_sided AS (
    SELECT c._key, c.unit, c.covered AS name FROM cover c
    ANTI JOIN cover b ON b._key = c._key AND b.unit = c.unit AND b.name = c.covered AND b.covered = c.name
    GROUP BY ALL),
walk AS (
    SELECT c._key, c.unit, c.name, row_number() OVER (PARTITION BY c._key, c.unit ORDER BY o.name IS NOT NULL, c.name) AS pos
    FROM contender c LEFT JOIN one_sided o ON o._key = c._key AND o.unit = c.unit AND o.name = c.name),
coverers AS (
    SELECT w._key, w.unit, w.name, w.pos, coalesce(bit_or(1::BIGINT << (o.pos - 1)), 0) AS mask
    FROM walk w
    LEFT JOIN cover c ON c._key = w._key AND c.unit = w.unit AND c.covered = w.name
    LEFT JOIN walk o ON o._key = w._key AND o.unit = w.unit AND o.name = c.name
    GROUP BY w._key, w.unit, w.name, w.pos),
chosen AS (
    SELECT _key, unit, list_reduce(list(mask ORDER BY pos), lambda kept, m, i: CASE WHEN kept & m = 0 THEN kept | (1::BIGINT << (i - 1)) ELSE kept END, 0::BIGINT) AS bits
    FROM coverers GROUP BY _key, unit)
SELECT n.*, count(*) OVER (PARTITION BY n._key, n.unit) AS many
FROM contender n
JOIN coverers w USING (_key, unit, name)
JOIN chosen c USING (_key, unit)
WHERE c.bits & (1::BIGINT << (w.pos - 1)) <> 0;

-- One contender is taken; of several the rule chooses. The newest edit counts if
-- it can be proven to be; who is not provably older goes to the order of systems.
-- Times beyond now lose.
CREATE OR REPLACE TEMP TABLE chosen AS
WITH timed AS (
    SELECT k.*, u.kind, u.skew_us, coalesce(k.is_clock AND k.until > r.run_at_us + u.skew_us, false) AS future
    FROM kept k JOIN p_rule u USING (unit) CROSS JOIN p_run r),
ordered AS (
    SELECT *, kind IN ('latest', 'authority') AND (future OR coalesce(until + skew_us < max(since) FILTER (NOT future) OVER (PARTITION BY _key, unit), false)) AS beaten
    FROM timed),
first AS (
    SELECT *, count(*) FILTER (NOT beaten) OVER (PARTITION BY _key, unit) = 1 AND NOT bool_or(future) OVER (PARTITION BY _key, unit) AS proven
    FROM ordered
    QUALIFY row_number() OVER (PARTITION BY _key, unit ORDER BY beaten, rank, source, is_side DESC) = 1)
SELECT f._key, f.unit, CASE WHEN f.is_side THEN f.name END AS winner, f.many, f.kind, f.since, f.until,
       CASE WHEN f.kind = 'hold' AND f.many > 1 THEN 'hold'
            WHEN f.kind NOT IN ('latest', 'authority') THEN f.kind || ': ' || f.source
            ELSE 'latest: ' || f.source || CASE WHEN f.many = 1 THEN '' WHEN f.proven THEN ', proven' ELSE ', assumed' END END AS reason,
       f.name || coalesce(a.names, '') AS sources
FROM first f
LEFT JOIN (SELECT c._key, c.unit, c.name, string_agg(' ' || c.covered, '' ORDER BY c.covered) AS names
           FROM cover c ANTI JOIN kept k ON k._key = c._key AND k.unit = c.unit AND k.name = c.covered
           WHERE c.covered <> '' GROUP BY c._key, c.unit, c.name) a
       ON a._key = f._key AND a.unit = f.unit AND a.name = f.name;

-- Golden as the rules have it.
CREATE OR REPLACE TEMP TABLE merged AS
SELECT g._key, g.field, f.unit, w.winner,
       CASE WHEN r.system IS NOT NULL THEN 'authority: ' || r.system ELSE h.reason END AS reason,
       coalesce(c.state, g.state) AS state,
       CASE WHEN c.state IS NULL THEN g.value ELSE c.value END AS value,
       CASE WHEN k.keeps THEN g.source WHEN c.state <> 'unset' THEN coalesce(h.sources, r.system) END AS source,
       CASE WHEN k.keeps THEN g.edit_since WHEN c.state <> 'unset' AND h.kind IN ('latest', 'authority') THEN h.since END AS edit_since,
       CASE WHEN k.keeps THEN g.edit_until WHEN c.state <> 'unset' AND h.kind IN ('latest', 'authority') THEN h.until END AS edit_until
FROM golden_old g
JOIN p_field f USING (field)
LEFT JOIN ruler r ON r._key = g._key AND r.unit = f.unit
LEFT JOIN chosen h ON h._key = g._key AND h.unit = f.unit
LEFT JOIN side_news n ON n._key = r._key AND n.unit = r.unit AND n.system = r.system
CROSS JOIN LATERAL (SELECT coalesce(n.system, h.winner) AS winner) w
LEFT JOIN claim c ON c._key = g._key AND c.field = g.field AND c.system = w.winner
CROSS JOIN LATERAL (SELECT c.state IS NULL OR c.leaves AS keeps) k;
