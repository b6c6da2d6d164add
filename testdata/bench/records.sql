-- The records of the benchmark: record i of two systems that agree, and what
-- becomes of it in a round in which it changes. A round r changes every record
-- whose number leaves r when divided by "every": half of them in pms, which rules
-- the price, half in air, which rules the guest's name.
CREATE OR REPLACE TEMP MACRO bench_records(records) AS TABLE
SELECT i, 'HM' || lpad(i::VARCHAR, 9, '0') AS code,
       CAST(hash(i)::HUGEINT - 9223372036854775808 AS BIGINT) AS khash,
       (['airbnb', 'direct', 'vrbo'])[1 + i % 3] AS channel,
       'L' || lpad((i % 997)::VARCHAR, 5, '0') AS listing_id,
       DATE '2026-01-01' + (i % 365)::INTEGER AS check_in,
       DATE '2026-01-04' + (i % 365)::INTEGER AS check_out,
       'Guest ' || (i * 7919 % records)::VARCHAR AS guest_name,
       CAST(50 + i % 900 + 0.5 AS DECIMAL(12, 2)) AS price,
       (['pending', 'confirmed', 'cancelled'])[1 + i % 7 % 3] AS status,
       CASE WHEN i % 4 = 0 THEN 'Arrives late, needs a cot; ' || (i % 5003)::VARCHAR END AS notes,
       1 + i % 4 AS adults, i % 3 AS children, (['EUR', 'GBP'])[1 + i % 2] AS currency,
       (['PT', 'ES', 'FR', 'DE', 'IT'])[1 + i % 5] AS country,
       '+351 9' || lpad((i * 31 % 100000000)::VARCHAR, 8, '0') AS phone
FROM range(records) t(i);

-- The same records as pms and air show them in a round; round 0 is the beginning.
CREATE OR REPLACE TEMP MACRO bench_pms(records, round, every) AS TABLE
SELECT khash AS _khash, code AS _key, i::VARCHAR AS _id, 'upsert' AS _op, 1000000 + round::BIGINT AS _version, NULL::VARCHAR AS _etag,
       CAST(hash(i, 'pms', round)::HUGEINT - 9223372036854775808 AS BIGINT) AS _hash,
       ',adults,channel,check_in,check_out,children,code,country,currency,guest_name,id,listing_id,notes,phone,price,status,updated_at,' AS _present,
       CASE WHEN notes IS NULL THEN ',notes,' ELSE ',' END AS _nulls,
       'run-' || round AS _run, 1::BIGINT AS _epoch, TIMESTAMPTZ '2026-05-04 12:00:00+00' + to_hours(round::INTEGER) AS _asked_at,
       i AS id, code, channel, listing_id, check_in, check_out, guest_name,
       CAST(CASE WHEN round = 0 THEN price ELSE price + round END AS DECIMAL(12, 2)) AS price, status, notes, adults, children, currency, country, phone,
       TIMESTAMPTZ '2026-05-01 00:00:00+00' + to_hours(round::INTEGER) AS updated_at, NULL::VARCHAR AS _extra
FROM bench_records(records)
WHERE round = 0 OR i % every = round AND i // every % 2 = 0;

CREATE OR REPLACE TEMP MACRO bench_air(records, round, every) AS TABLE
SELECT khash AS _khash, code AS _key, 'R-' || i AS _id, 'upsert' AS _op, 1000000 + round::BIGINT AS _version, NULL::VARCHAR AS _etag,
       CAST(hash(i, 'air', round)::HUGEINT - 9223372036854775808 AS BIGINT) AS _hash,
       ',adults,arrival,channel,children,confirmation_code,country,currency,departure,guest,id,listing,note,phone,state,total_cents,updated_at,' AS _present,
       CASE WHEN notes IS NULL THEN ',note,' ELSE ',' END AS _nulls,
       'run-' || round AS _run, 1::BIGINT AS _epoch, TIMESTAMPTZ '2026-05-04 12:00:00+00' + to_hours(round::INTEGER) AS _asked_at,
       'R-' || i AS id, code AS confirmation_code, channel, listing_id AS listing, check_in AS arrival, check_out AS departure,
       CASE WHEN round = 0 THEN guest_name ELSE guest_name || ' ' || round END AS guest, CAST(price * 100 AS BIGINT) AS total_cents,
       CASE status WHEN 'confirmed' THEN 'ok' ELSE status END AS state, notes AS note, adults, children, currency, country, phone,
       TIMESTAMPTZ '2026-05-01 00:00:00+00' + to_hours(round::INTEGER) AS updated_at, NULL::VARCHAR AS _extra
FROM bench_records(records)
WHERE round = 0 OR i % every = round AND i // every % 2 = 1;

-- Golden and the crosswalk as a first run leaves them: both systems agree.
CREATE OR REPLACE TEMP MACRO bench_golden(records) AS TABLE
SELECT khash AS _khash, code AS _key, true AS _live, 1::BIGINT AS _version, TIMESTAMPTZ '2026-05-04 12:00:00+00' AS _changed_at,
       CASE WHEN notes IS NULL THEN ',notes,' ELSE ',' END AS _nulls,
       '{"channel":"pms","check_in":"pms","check_out":"pms","code":"pms","guest_name":"air","price":"pms","status":"pms"}' AS _sources, NULL::VARCHAR AS _edited,
       code, channel, listing_id, check_in, check_out, guest_name, price, status, notes, adults, children, currency, country, phone,
       i::VARCHAR AS _base_pms_id, CAST(hash(i, 'pms', 0)::HUGEINT - 9223372036854775808 AS BIGINT) AS _base_pms_hash,
       NULL::VARCHAR AS _base_pms_etag, 1000000::BIGINT AS _base_pms_version, NULL::VARCHAR AS _base_pms_fields,
       'R-' || i AS _base_air_id, CAST(hash(i, 'air', 0)::HUGEINT - 9223372036854775808 AS BIGINT) AS _base_air_hash,
       NULL::VARCHAR AS _base_air_etag, 1000000::BIGINT AS _base_air_version, NULL::VARCHAR AS _base_air_fields
FROM bench_records(records);

CREATE OR REPLACE TEMP MACRO bench_crosswalk(records) AS TABLE
SELECT khash AS _khash, code AS _key, system, CASE system WHEN 'pms' THEN i::VARCHAR ELSE 'R-' || i END AS id, 'live' AS state,
       'run-0' AS run, TIMESTAMPTZ '2026-05-04 12:00:00+00' AS recorded_at, NULL::TIMESTAMPTZ AS told_at
FROM bench_records(records), (VALUES ('pms'), ('air')) s(system);
