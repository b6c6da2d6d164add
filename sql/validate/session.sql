-- A session that can reach nothing outside of itself and cannot be changed.
SET TimeZone = 'UTC';
SET errors_as_json = true;
CREATE TEMP MACRO run_date() AS DATE '2000-01-01';
SET enable_external_access = false;
SET lock_configuration = true;
