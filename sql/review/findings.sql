-- What a person should know, also what is resolved, incident by incident: the
-- finding that names the cause first, then its members.
SELECT f.finding, f.kind, f.severity, f.entity, f.system, f.field, f.key, f.observed, f.expected, f.evidence, f.help,
       f.state, coalesce(f.incident, f.finding), f.first_run, f.run, f.first_seen, f.last_seen
FROM findings f
LEFT JOIN findings c ON c.finding = coalesce(f.incident, f.finding)
ORDER BY coalesce(c.state, f.state), min(f.severity) OVER (PARTITION BY coalesce(f.incident, f.finding)), coalesce(c.last_seen, f.last_seen) DESC,
         coalesce(f.incident, f.finding), f.finding <> coalesce(f.incident, f.finding), f.state, f.severity, f.kind, f.entity, f.system, f.field, f.key;
