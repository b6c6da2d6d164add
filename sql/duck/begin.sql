-- What every session has: whether an observation is later than another, without
-- their places; null is the lowest.
CREATE OR REPLACE TEMP MACRO _later(version, epoch, asked, version2, epoch2, asked2) AS
  coalesce(CASE
    WHEN version IS DISTINCT FROM version2 THEN version2 IS NULL OR version > version2
    WHEN epoch IS DISTINCT FROM epoch2 THEN epoch2 IS NULL OR epoch > epoch2
    WHEN asked IS DISTINCT FROM asked2 THEN asked2 IS NULL OR asked > asked2
  END, false);

-- The date of the run's pinned clock, which the session sets.
CREATE OR REPLACE TEMP MACRO run_date() AS CAST(getvariable('run_date') AS DATE);
