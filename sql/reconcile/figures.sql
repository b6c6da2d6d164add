-- What this reconcile decided, in figures.
SELECT 'looked' AS figure, '' AS system, '' AS op, '' AS state, count(*) AS n FROM candidate
UNION ALL SELECT 'golden', '', '', '', count(*) FROM out_golden
UNION ALL SELECT 'conflicts', '', '', '', count(*) FROM out_conflicts
UNION ALL SELECT 'findings', '', '', '', count(*) FROM (
    SELECT finding FROM in_findings i, p_run r WHERE i.entity = r.entity AND i.severity = 'high' AND i.state = 'open'
    AND kind IN (SELECT kind FROM p_finding)
    AND finding NOT IN (SELECT finding FROM out_findings)
    UNION ALL SELECT finding FROM out_findings WHERE severity = 'high' AND state = 'open')
UNION ALL SELECT 'waiting', '', '', '', count(*) FROM final_change WHERE state IN ('planned', 'held')
UNION ALL SELECT 'planned', '', '', '', count(*) FROM final_change WHERE state = 'planned'
UNION ALL SELECT * FROM (SELECT 'change', system, op, state, count(*) FROM out_changes GROUP BY ALL ORDER BY ALL);
