-- What the ranges of keys collect for the statements that judge the whole.
CREATE OR REPLACE TEMP TABLE all_difference (_khash BIGINT, _key VARCHAR, system VARCHAR, field VARCHAR, kind VARCHAR, golden VARCHAR, seen VARCHAR, reason VARCHAR);
CREATE OR REPLACE TEMP TABLE all_difference0 AS FROM all_difference;
CREATE OR REPLACE TEMP TABLE all_finding (_khash BIGINT, _key VARCHAR, kind VARCHAR, severity VARCHAR, system VARCHAR, observed VARCHAR);
CREATE OR REPLACE TEMP TABLE all_finding0 AS FROM all_finding;
CREATE OR REPLACE TEMP TABLE all_want (_khash BIGINT, _key VARCHAR, system VARCHAR, op VARCHAR, before VARCHAR, after VARCHAR, effect VARCHAR,
    id VARCHAR, link_us BIGINT, hash BIGINT, version BIGINT, etag VARCHAR, asked_us BIGINT, unjoined BOOLEAN, asks BOOLEAN, golden_version BIGINT);
CREATE OR REPLACE TEMP TABLE all_unknown (_key VARCHAR, system VARCHAR, unknown VARCHAR, fate VARCHAR);
CREATE OR REPLACE TEMP TABLE all_input (_key VARCHAR, system VARCHAR, kind VARCHAR, asked_us BIGINT);
