-- What a watch changed, and how many grave findings of its kinds are open after it.
SELECT (SELECT count(*) FROM opened),
       (SELECT count(*) FROM ended),
       (SELECT count(*) FROM (
            SELECT finding FROM standing WHERE state = 'open' AND severity = 'high' AND finding NOT IN (SELECT finding FROM out_findings)
            UNION ALL SELECT finding FROM out_findings WHERE state = 'open' AND severity = 'high'));
