-- What the detectors say of an hour. From a strength of 1 on it opens a finding;
-- from 0.6 on it keeps one open.
CREATE OR REPLACE TEMP TABLE signal (h BIGINT, kind VARCHAR, entity VARCHAR, system VARCHAR, field VARCHAR,
    strength DOUBLE, cause VARCHAR, observed VARCHAR, expected VARCHAR, names VARCHAR[]);
