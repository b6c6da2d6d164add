-- What is watched. A kind's rank says which finding of an incident names the
-- cause: the lowest.
CREATE OR REPLACE TEMP TABLE p_kind AS
FROM (VALUES
    ('retry_storm', 'high', 1, 'see whether the system is up: trueup doctor; lower its limits if it asks for less'),
    ('freshness', 'high', 2, 'see why nothing is read: trueup status, trueup runs, trueup doctor'),
    ('api_slowdown', 'low', 3, 'see whether the system is well; nothing is lost, runs take longer'),
    ('schema_drift', 'high', 4, 'compare what the system sends with extract.fields in the project file; trueup validate'),
    ('dead_letters', 'high', 5, 'see what does not fit, and correct the types or the records: trueup query "select * from dead_letters where open"'),
    ('null_drift', 'low', 6, 'see whether the system stopped filling the field'),
    ('value_drift', 'low', 7, 'see whether the system changed a unit, or fills in one value everywhere'),
    ('missing_records', 'high', 8, 'see whether the system hides them, or lost the right to show them: trueup doctor'),
    ('unexpected_deletion', 'high', 9, 'see who deleted; guards hold deletions that are too many: trueup changes --state held'),
    ('sweep_disagreement', 'high', 10, 'widen incremental.lookback_window, or sweep more often: incremental reads miss changes'),
    ('late_arrivals', 'low', 11, 'widen incremental.lookback_window'),
    ('volume_drop', 'low', 12, 'see whether people can still work in the system; a lasting level is adopted by itself'),
    ('volume_spike', 'low', 13, 'see who changes so much; a lasting level is adopted by itself'),
    ('conflict_spike', 'low', 14, 'see who overrides whom: trueup explain ENTITY KEY')
) AS k (kind, severity, rank, help);

-- Counts, tested against the same hour of other weeks. least: how many more or
-- fewer are worth a word. rare: one that is usually none.
CREATE OR REPLACE TEMP TABLE p_count AS
FROM (VALUES
    ('changes', ['extract.inserted', 'extract.updated'], 'volume_spike', 'volume_drop', 'new or changed records', 3, false),
    ('inserts', ['extract.inserted'], 'volume_spike', 'volume_drop', 'new records', 3, false),
    ('deletes', ['extract.deleted'], 'unexpected_deletion', NULL, 'deleted records', 3, true),
    ('missing', ['extract.missing'], 'missing_records', NULL, 'records that a sweep did not show', 3, true),
    ('dead letters', ['extract.dead_letters'], 'dead_letters', NULL, 'records that do not fit their types', 3, true),
    ('late', ['extract.late'], 'late_arrivals', NULL, 'records below the cursor', 3, true),
    ('missed', ['extract.missed'], 'sweep_disagreement', NULL, 'changes that only the sweep saw', 3, true),
    ('conflicts', ['reconcile.conflicts'], 'conflict_spike', NULL, 'sides overridden', 3, true)
) AS c (figure, parts, up, down, what, least, rare);

-- Shares of a whole. effect: the difference that is worth a word. always: the share
-- that needs no history, of at least so many (few): a system that is down is asked
-- little, since the breaker opens, and may be down on the first day.
CREATE OR REPLACE TEMP TABLE p_share AS
FROM (VALUES
    ('null_drift', ['field.nulls'], ['extract.inserted', 'extract.updated'], 'null', 0.2, 20, true, true, NULL, NULL),
    ('schema_drift', ['field.absent'], ['extract.inserted', 'extract.updated'], 'not carried', 0.2, 20, true, true, NULL, NULL),
    ('schema_drift', ['extract.undeclared'], ['extract.inserted', 'extract.updated'], 'with fields nobody declared', 0.2, 20, true, false, NULL, NULL),
    ('retry_storm', ['retries', 'throttles', 'failures'], ['requests'], 'requests failed, throttled or tried again', 0.2, 20, true, false, 0.9, 5)
) AS s (kind, parts, wholes, what, effect, least, up, down, always, few);

-- Measures. weighted: the mean of so many values, so that more of them tell more.
CREATE OR REPLACE TEMP TABLE p_level AS
FROM (VALUES
    ('api_slowdown', 'latency_p95', ['requests'], false, 0.1, 0.6, 5),
    ('value_drift', 'field.size', ['extract.inserted', 'extract.updated'], true, 0.1, 0.5, 10)
) AS l (kind, figure, weights, weighted, floor, effect, least);

-- Which kinds one trouble shows at once. wide: in all streams of a system, else in one.
CREATE OR REPLACE TEMP TABLE p_explains AS
WITH families (family, wide, kind) AS (FROM (VALUES
    (1, true, 'retry_storm'), (1, true, 'freshness'), (1, true, 'api_slowdown'), (1, true, 'volume_drop'), (1, true, 'volume_spike'), (1, true, 'late_arrivals'),
    (2, false, 'schema_drift'), (2, false, 'null_drift'), (2, false, 'value_drift'), (2, false, 'dead_letters'),
    (3, false, 'missing_records'), (3, false, 'unexpected_deletion'), (3, false, 'volume_drop'),
    (4, false, 'sweep_disagreement'), (4, false, 'late_arrivals')))
SELECT a.kind, b.kind AS other, bool_or(a.wide) AS wide, bool_or(a.wide AND (a.kind IN ('retry_storm', 'freshness', 'api_slowdown')
       OR b.kind IN ('retry_storm', 'freshness', 'api_slowdown'))) AS lasting
FROM families a JOIN families b USING (family) GROUP BY ALL;

-- A figure as a person reads it: whole numbers without a point.
CREATE OR REPLACE TEMP MACRO shown(x, digits) AS printf('%.15g', round(CAST(x AS DOUBLE), digits));

-- How far a count is from what was expected, in standard deviations of a Poisson
-- count (deviance residual: McCullagh and Nelder, Generalized Linear Models, 1989).
CREATE OR REPLACE TEMP MACRO deviance(x, m) AS
    CASE WHEN m IS NOT NULL THEN sign(x - m) * sqrt(greatest(0, 2 * (CASE WHEN x > 0 THEN x * ln(x / greatest(m, 0.02)) ELSE 0 END - (x - greatest(m, 0.02))))) END;

-- The same for k of n where a share of p was expected.
CREATE OR REPLACE TEMP MACRO binomial_deviance(k, n, p) AS
    CASE WHEN p IS NOT NULL THEN sign(k - n * p) * sqrt(greatest(0, 2 * (
        CASE WHEN k > 0 THEN k * ln(k / (n * greatest(p, 0.002))) ELSE 0 END
        + CASE WHEN k < n THEN (n - k) * ln((n - k) / (n * (1 - least(p, 0.998)))) ELSE 0 END))) END;
