-- Of every figure the value that the newest run left which has it.
SELECT name, entity, system, arg_max(value, run) AS value
FROM metrics
WHERE field IS NULL
GROUP BY name, entity, system
ORDER BY name, entity, system;
