-- What was ever held of the record of entity $1 and key $2.
SELECT hold, field, kind, reason, state, first_run, epoch_us(first_at) AS _us, run, recorded_at
FROM _holds
WHERE entity = $1 AND _key = $2
ORDER BY first_at, hold;
