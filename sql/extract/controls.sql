-- Some records that this sweep showed, per partition: what answers for the system
-- when absent records are looked up. The choice varies from run to run.
SELECT partition, _id
FROM (SELECT partition, _id, row_number() OVER (PARTITION BY partition ORDER BY md5(_id || $1)) AS nth FROM seen)
WHERE nth <= 3
ORDER BY partition, nth;
