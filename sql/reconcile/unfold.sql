-- What golden takes from a field with a declared loss is what the system shows,
-- not the form in which it is compared.
CREATE OR REPLACE TEMP TABLE unfolded AS
SELECT n._key, n.system, n.field, n.value AS folded, c.value
FROM seen n
JOIN p_loss l ON l.system = n.system AND l.field = n.field
JOIN party p ON p._key = n._key AND p.system = n.system
JOIN column_now c ON c._key = n._key AND c.system = n.system AND c.id = p.id AND c.col = l.col
JOIN golden_old o ON o._key = n._key AND o.field = n.field
WHERE n.state = 'value' AND c.state = 'value' AND NOT n.lagging AND o.value IS DISTINCT FROM n.value;

UPDATE merged AS g SET value = u.value FROM unfolded u
WHERE u._key = g._key AND u.field = g.field AND regexp_extract(g.source, '^[^ ,]+') = u.system AND g.value = u.folded;

UPDATE golden_new AS g SET value = u.value FROM unfolded u
WHERE u._key = g._key AND u.field = g.field AND regexp_extract(g.source, '^[^ ,]+') = u.system AND g.value = u.folded;
