-- Whether one system has a change that is not done with: most have none, and then
-- neither the decisions nor the journal are read.
SELECT 1
FROM changes
WHERE system = $1 AND state IN ('planned', 'held', 'ready', 'sent', 'in_doubt')
LIMIT 1;
