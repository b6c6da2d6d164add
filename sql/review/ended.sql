-- How many runs there were, by mode and by how they ended.
SELECT mode, state, count(*) AS runs
FROM runs
WHERE state <> 'running'
GROUP BY mode, state
ORDER BY mode, state;
