-- What this sweep showed (seen) and where each record was seen last before it.
CREATE OR REPLACE TEMP VIEW seen AS
SELECT _khash, _key, _id, partition FROM sweeps WHERE _run = getvariable('this_run');
CREATE OR REPLACE TEMP VIEW where_seen AS
SELECT _key, _id, arg_max(partition, _run) AS partition
FROM sweeps WHERE _run < getvariable('this_run')
GROUP BY _key, _id;
