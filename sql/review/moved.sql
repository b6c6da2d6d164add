-- Of changes that wait: who approved another change of the same record that was not
-- carried out, and which columns were not what they are now. $1 is now.
WITH approved AS (
    SELECT person, recorded_at, unnest(from_json(shown,
        '[{"entity":"VARCHAR","system":"VARCHAR","key":"VARCHAR","op":"VARCHAR","effect":"VARCHAR","before":"MAP(VARCHAR, VARCHAR)","after":"MAP(VARCHAR, VARCHAR)"}]')) AS x
    FROM _decisions WHERE kind = 'approve' AND expires_at > $1 AND json_type(shown) = 'ARRAY'),
waiting AS (
    SELECT change, entity, system, _key, op, CAST(before::JSON AS MAP(VARCHAR, VARCHAR)) AS before, CAST(after::JSON AS MAP(VARCHAR, VARCHAR)) AS after
    FROM chosen WHERE word IS NULL AND state IN ('planned', 'held')),
moved AS (
    SELECT w.change, a.person,
           array_to_string(list_filter(list_sort(list_distinct(flatten([map_keys(w.before), map_keys(w.after), map_keys(a.x.before), map_keys(a.x.after)]))),
               lambda c: w.before[c] IS DISTINCT FROM a.x.before[c] OR w.after[c] IS DISTINCT FROM a.x.after[c]
                         OR map_contains(w.after, c) <> map_contains(a.x.after, c)), ', ') AS columns
    FROM waiting w
    JOIN approved a ON a.x.entity = w.entity AND a.x.system = w.system AND a.x.key = w._key AND a.x.op = w.op
    ANTI JOIN (FROM _changes WHERE state = 'applied') d ON d.effect = a.x.effect
    QUALIFY row_number() OVER (PARTITION BY w.change ORDER BY a.recorded_at DESC) = 1)
UPDATE chosen SET approver = m.person, moved = m.columns FROM moved m WHERE m.change = chosen.change;
