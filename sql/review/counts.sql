-- How many of the chosen changes there are of each kind.
SELECT entity, system, state, op, count(*) AS records
FROM chosen
GROUP BY ALL
ORDER BY entity, system, state, op;
