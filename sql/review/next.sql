-- How the chosen changes go on: by the next load, by a person, or by themselves.
SELECT coalesce(to_json(list_sort(list(DISTINCT plan) FILTER (waits AND plan <> '')))::VARCHAR, '[]') AS plans,
       coalesce(min(change) FILTER (state = 'held' AND waits), '') AS held,
       count(*) FILTER (waits) AS waiting,
       count(*) FILTER (loads) AS loading,
       count(*) FILTER (state IN ('sent', 'in_doubt')) AS doubtful,
       count(*) FILTER (word = 'reject') AS withdrawn,
       count(*) FILTER (lapsed) AS lapsed
FROM (
    SELECT *, coalesce(word = 'approve' AND NOT coalesce(expired, false), false) OR state = 'ready' AND word IS DISTINCT FROM 'reject' AND NOT lapsed AS loads,
           state IN ('planned', 'held') AND word IS DISTINCT FROM 'reject' AND NOT coalesce(word = 'approve' AND NOT coalesce(expired, false), false) AS waits
    FROM chosen);
