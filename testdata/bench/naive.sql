-- What one would write without candidates, watermarks and folds, for the same
-- result: take the newest row of every key of both systems, join them with golden,
-- compare every field, and make golden and the change set anew. bench_pms_rows,
-- bench_air_rows and bench_golden_rows are all rows of the three tables.
CREATE OR REPLACE TEMP TABLE naive AS
WITH
pms AS (
    SELECT * FROM bench_pms_rows QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _version DESC, _asked_at DESC) = 1),
air AS (
    SELECT _key, _id, _hash, _version, confirmation_code AS code, channel, listing AS listing_id, arrival AS check_in,
           departure AS check_out, guest AS guest_name, CAST(total_cents * 0.01 AS DECIMAL(12, 2)) AS price,
           CASE state WHEN 'ok' THEN 'confirmed' ELSE state END AS status, note AS notes, adults, children, currency, country, phone
    FROM bench_air_rows QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _version DESC, _asked_at DESC) = 1),
golden AS (
    SELECT * FROM bench_golden_rows QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _version DESC) = 1)
SELECT coalesce(g._key, p._key, a._key) AS _key, g._version AS version,
       coalesce(p.code, g.code) AS code, coalesce(p.channel, g.channel) AS channel, coalesce(p.listing_id, g.listing_id) AS listing_id,
       coalesce(p.check_in, g.check_in) AS check_in, coalesce(p.check_out, g.check_out) AS check_out,
       coalesce(a.guest_name, p.guest_name, g.guest_name) AS guest_name, coalesce(p.price, g.price) AS price,
       coalesce(p.status, g.status) AS status, coalesce(p.notes, g.notes) AS notes, coalesce(p.adults, g.adults) AS adults,
       coalesce(p.children, g.children) AS children, coalesce(p.currency, g.currency) AS currency,
       coalesce(p.country, g.country) AS country, coalesce(p.phone, g.phone) AS phone,
       p._id AS pms_id, p._hash AS pms_hash, p._version AS pms_version, a._id AS air_id, a._hash AS air_hash, a._version AS air_version,
       g.code IS DISTINCT FROM p.code OR g.channel IS DISTINCT FROM p.channel OR g.listing_id IS DISTINCT FROM p.listing_id
           OR g.check_in IS DISTINCT FROM p.check_in OR g.check_out IS DISTINCT FROM p.check_out
           OR g.guest_name IS DISTINCT FROM a.guest_name OR g.price IS DISTINCT FROM p.price OR g.status IS DISTINCT FROM p.status
           OR g.notes IS DISTINCT FROM p.notes OR g.adults IS DISTINCT FROM p.adults OR g.children IS DISTINCT FROM p.children
           OR g.currency IS DISTINCT FROM p.currency OR g.country IS DISTINCT FROM p.country OR g.phone IS DISTINCT FROM p.phone AS moved,
       CASE WHEN p.guest_name IS DISTINCT FROM coalesce(a.guest_name, p.guest_name, g.guest_name) THEN p.guest_name END AS pms_guest_name,
       CASE WHEN a.price IS DISTINCT FROM coalesce(p.price, g.price) THEN a.price END AS air_price,
       a.channel IS DISTINCT FROM p.channel OR a.listing_id IS DISTINCT FROM p.listing_id OR a.check_in IS DISTINCT FROM p.check_in
           OR a.check_out IS DISTINCT FROM p.check_out OR a.price IS DISTINCT FROM p.price OR a.status IS DISTINCT FROM p.status
           OR a.notes IS DISTINCT FROM p.notes OR a.adults IS DISTINCT FROM p.adults OR a.children IS DISTINCT FROM p.children
           OR a.currency IS DISTINCT FROM p.currency OR a.country IS DISTINCT FROM p.country OR a.phone IS DISTINCT FROM p.phone AS air_differs
FROM golden g FULL JOIN pms p ON p._key = g._key FULL JOIN air a ON a._key = coalesce(g._key, p._key);

CREATE OR REPLACE TEMP VIEW naive_golden AS
SELECT _key, version + moved::BIGINT AS version, code, channel, listing_id, check_in, check_out, guest_name, price, status, notes,
       adults, children, currency, country, phone, pms_id, pms_hash, pms_version, air_id, air_hash, air_version, moved
FROM naive ORDER BY _key;

CREATE OR REPLACE TEMP VIEW naive_changes AS
SELECT _key, 'pms' AS system, 'update' AS op, pms_id AS id, json_object('guest_name', pms_guest_name) AS before, json_object('guest_name', guest_name) AS after
FROM naive WHERE pms_guest_name IS NOT NULL
UNION ALL
SELECT _key, 'air', 'update', air_id, json_object('total_cents', CAST(CAST(air_price * 100 AS BIGINT) AS VARCHAR)),
       json_object('total_cents', CAST(CAST(price * 100 AS BIGINT) AS VARCHAR))
FROM naive WHERE air_differs AND air_price IS NOT NULL;
