package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// path is something that the crash sweep must go through. shown is a query over
// the views that people see; it gives rows once the path was taken.
type path struct{ name, shown string }

// closedPaths are all that the scenarios of the sweep must reach between them.
// What is new in the merge, in holds, decisions or guards gets a line here, and a
// scenario that reaches it.
func closedPaths() []path {
	return slices.Concat(presencePaths(), waitingPaths(), stoppedPaths())
}

// presencePaths are the rows of the table of who is there.
func presencePaths() []path {
	const goldenLives = "EXISTS (FROM golden_bookings g WHERE g._key = x.key AND g._live)"
	return []path{
		{"a record that one system holds is created in the other", applied("create", "true")},
		{"two that differ at first sight are decided by the rule", "FROM conflicts WHERE golden IS NULL AND seen IS DISTINCT FROM chosen AND field <> '' AND kind <> 'held'"},
		{"a create waits while a field that it would send is held", `FROM holds h JOIN golden_bookings g ON g._key = h.key
			WHERE h.state = 'open' AND h.field <> '' AND g.channel = 'staybnb' AND NOT EXISTS (FROM crosswalk c WHERE c.key = h.key AND c.system = 'staybnb')
				AND NOT EXISTS (FROM changes c WHERE c.key = h.key AND c.op = 'create' AND c.system = 'staybnb')`},
		{"it is created once the hold is closed", applied("create", "EXISTS (FROM holds h WHERE h.key = x.key AND h.field <> '' AND h.state = 'closed' AND h.kind = 'check')")},
		{"a delete by the authority is done elsewhere", applied("delete", "EXISTS (FROM tombstones t WHERE t.key = x.key AND t.live)")},
		{"a delete without the authority is put back", applied("create", `x.system = 'staybnb' AND EXISTS (FROM crosswalk c WHERE c.key = x.key AND c.system = 'staybnb' AND c.state = 'gone')
			AND NOT EXISTS (FROM tombstones t WHERE t.key = x.key)`)},
		{"a delete without the authority waits", "FROM differences WHERE open AND field = '' AND reason LIKE '%recreate: hold%'"},
		{"our own delete is no news", "FROM crosswalk x WHERE state = 'deleted' AND NOT EXISTS (FROM tombstones t WHERE t.key = x.key) AND " + goldenLives},
		{"an ID is replaced", "FROM conflicts WHERE kind = 'replaced'"},
		{"two live IDs claim a key", "FROM findings WHERE kind = 'twins' AND state = 'open'"},
		{"a surviving twin goes on", "FROM findings f JOIN crosswalk c ON c.key = f.key AND c.system = f.system WHERE f.kind = 'twins' AND f.state = 'resolved' AND c.state = 'gone'"},
		{"an ID moves to another key", "FROM crosswalk x JOIN tombstones t USING (key) WHERE x.state = 'moved' AND t.live AND NOT contains(t.ids, x.id)"},
		{"an ID that moved comes back to a new life", "FROM tombstones t JOIN crosswalk x USING (key) WHERE NOT t.live AND x.state = 'live' AND EXISTS (FROM history h WHERE h.key = x.key AND h.system = x.system AND h.id = x.id AND h.op = 'moved')"},
		{"deleted here and changed there is held", "FROM holds WHERE field = '' AND state = 'open'"},
		{"a person keeps it", presenceDecided("keep")},
		{"a person deletes it", presenceDecided("delete")},
		{"it is back before anybody decided", "FROM holds WHERE field = '' AND state = 'closed' AND decision IS NULL"},
		{"deleted here and changed there is updated", "FROM conflicts WHERE field = '' AND kind = 'presence' AND chosen = 'update'"},
		{"deleted here and changed there is deleted", "FROM conflicts WHERE field = '' AND kind = 'presence' AND chosen = 'delete'"},
		{"changed where it is not deleted yet, after golden went", "FROM conflicts c JOIN tombstones t USING (key) WHERE c.field = '' AND c.kind = 'presence' AND c.recorded_at > t.recorded_at"},
		{"a new ID begins a new life", `FROM tombstones t JOIN crosswalk x USING (key) WHERE NOT t.live AND x.state = 'live' AND x.system = 'pms' AND NOT contains(t.ids, '"' || x.id || '"')`},
		{"an ID that was gone begins a new life", `FROM tombstones t JOIN crosswalk x USING (key) WHERE NOT t.live AND x.state = 'live' AND x.system = 'pms' AND contains(t.ids, '"' || x.id || '"')
			AND EXISTS (FROM history h WHERE h.key = x.key AND h.system = x.system AND h.id = x.id AND h.op = 'delete')`},
		{"a new life waits for the delete of the old one", `FROM tombstones t JOIN changes x USING (key) WHERE NOT t.live AND x.op = 'delete' AND x.state IN ('held', 'ready', 'planned')`},
		{"a new life is created where the old one was deleted", applied("create", "EXISTS (FROM tombstones t WHERE t.key = x.key AND NOT t.live) AND EXISTS (FROM journal d WHERE d.key = x.key AND d.system = x.system AND d.op = 'delete' AND d.outcome = 'applied' AND d._seq < x._seq)")},
		{"a record that left the scope is kept", "FROM findings x WHERE kind = 'left_scope' AND state = 'open' AND " + goldenLives + " AND NOT EXISTS (FROM changes c WHERE c.key = x.key AND c.op = 'delete')"},
		{"a record that left the scope is deleted there", applied("delete", "NOT EXISTS (FROM tombstones t WHERE t.key = x.key)")},
		{"a record that left the scope waits for a person", "FROM changes WHERE state = 'held' AND op = 'delete' AND reason LIKE 'it leaves the scope%'"},
		{"a record that is in scope again is created again", applied("create", "EXISTS (FROM journal d WHERE d.key = x.key AND d.system = x.system AND d.op = 'delete' AND d.outcome = 'applied' AND d._seq < x._seq) AND NOT EXISTS (FROM tombstones t WHERE t.key = x.key)")},
		{"a record is missing", "FROM crosswalk WHERE state = 'missing'"},
		{"a record that was missing is proven gone", "FROM crosswalk x WHERE state = 'gone' AND EXISTS (FROM history h WHERE h.key = x.key AND h.system = x.system AND h.id = x.id AND h.op = 'missing')"},
	}
}

func applied(op, more string) string {
	return fmt.Sprintf("FROM journal x WHERE x.op = '%s' AND x.outcome = 'applied' AND %s", op, more)
}

func presenceDecided(take string) string {
	return fmt.Sprintf("FROM holds h JOIN decisions d USING (decision) WHERE h.field = '' AND h.state = 'closed' AND json_extract_string(d.choice, '$.take') = '%s'", take)
}

// waitingPaths are what becomes of a field that two systems changed.
func waitingPaths() []path {
	closed := func(choice string) string {
		return "FROM holds h JOIN decisions d USING (decision) WHERE h.field <> '' AND h.state = 'closed' AND " + choice
	}
	return []path{
		{"a value rule overrides news", "FROM conflicts WHERE kind = 'overridden'"},
		{"a conflict rule decides", "FROM conflicts WHERE kind = 'conflict'"},
		{"the rule hold", "FROM holds WHERE kind = 'hold' AND state = 'open'"},
		{"a check that would break", "FROM holds WHERE kind = 'check' AND state = 'open'"},
		{"a person takes a side", closed("json_extract_string(d.choice, '$.take') IN ('pms', 'staybnb')")},
		{"a person takes golden", closed("json_extract_string(d.choice, '$.take') = 'golden'")},
		{"a person gives a value", closed("json_extract_string(d.choice, '$.take') IS NULL AND json_extract_string(d.choice, '$.value') IS NOT NULL")},
		{"a person leaves the difference", "FROM differences WHERE open AND kind = 'pinned'"},
		{"a side returns and the hold closes", "FROM holds WHERE field <> '' AND state = 'closed' AND decision IS NULL"},
		{"news after what a decision was shown", "FROM holds h JOIN decisions d USING (decision) JOIN history y ON y.key = h.key WHERE h.field = 'notes' AND y.asked_at > d.recorded_at AND y.system = 'staybnb' AND json_extract_string(y.record, '$.note') = 'guest again'"},
		{"a decision while a run is under way", "FROM decisions d JOIN runs r ON d.recorded_at > r.started_at AND d.recorded_at < r.ended_at JOIN holds h USING (decision) WHERE d.kind = 'decide' AND h.run <> r.run AND h.state = 'closed'"},
	}
}

// stoppedPaths are approvals, guards, and what cannot be read.
func stoppedPaths() []path {
	const effects = "(SELECT decision, kind, recorded_at, expires_at, unnest(CAST(effects::JSON AS VARCHAR[])) AS effect FROM decisions)"
	return []path{
		{"a plan waits for approval", "FROM changes WHERE state = 'planned'"},
		{"an approved effect is applied", "FROM changes c JOIN " + effects + " d USING (effect) WHERE c.state = 'applied' AND d.kind = 'approve'"},
		{"an approval dies when its effect changes", "FROM changes c JOIN " + effects + " d USING (effect) WHERE c.state = 'superseded' AND d.kind = 'approve' AND c.recorded_at < d.expires_at"},
		{"an approval lapses", "FROM changes c JOIN " + effects + " d USING (effect) JOIN runs r ON r.run_at > d.expires_at WHERE c.state = 'planned' AND d.kind = 'approve'"},
		{"a lapsed approval is given again", "FROM changes c JOIN " + effects + " d USING (effect) JOIN " + effects + " e USING (effect) WHERE c.state = 'applied' AND d.expires_at < e.recorded_at AND c.recorded_at < e.expires_at"},
		{"a rejected change pins the difference", "FROM differences WHERE open AND kind = 'rejected'"},
		{"a rejection ends when a side changes", "FROM differences WHERE NOT open AND kind = 'rejected'"},
		{"a guard holds what is too much", "FROM changes WHERE state = 'held' AND reason LIKE 'guard:%'"},
		{"what a guard held is approved", "FROM changes c JOIN " + effects + " d USING (effect) WHERE c.state = 'applied' AND c.op = 'delete' AND d.kind = 'approve' AND c.key = 'D1'"},
		{"a stream is quarantined", "FROM findings WHERE kind = 'quarantine' AND state = 'open'"},
		{"a quarantine is lifted", "FROM findings f JOIN " + effects + " d ON starts_with(d.effect, f.finding) WHERE f.kind = 'quarantine' AND f.state = 'resolved'"},
		{"a record cannot be converted", "FROM dead_letters WHERE open"},
		{"a record fits again", "FROM dead_letters WHERE NOT open"},
		{"a field cannot be mapped", "FROM history h JOIN golden_bookings g ON g._key = h.key WHERE h.system = 'pms' AND json_extract_string(h.record, '$.status') = 'completed' AND g.status = 'confirmed'"},
		{"a field can be mapped again", "FROM history h JOIN golden_bookings g ON g._key = h.key WHERE h.system = 'pms' AND json_extract_string(h.record, '$.status') = 'completed' AND g.status = 'pending'"},
	}
}

// reached notes which paths the store shows.
func (h *house) reached(seen map[string]bool) {
	h.t.Helper()
	var parts []string
	for _, p := range closedPaths() {
		if !seen[p.name] {
			parts = append(parts, fmt.Sprintf("SELECT '%s' WHERE EXISTS (%s)", p.name, p.shown))
		}
	}
	if len(parts) == 0 {
		return
	}
	must(h.t, h.life(func(p *process) error {
		for _, name := range p.query(strings.Join(parts, " UNION ALL ")) {
			seen[name] = true
		}
		return nil
	}))
}

// everyPath fails with the name of each path that no tale reached. by holds, for each
// path, the tales that did.
func everyPath(t *testing.T, by map[string][]string) {
	t.Helper()
	missed := false
	for _, p := range closedPaths() {
		if len(by[p.name]) == 0 {
			missed = true
			t.Errorf("no tale of the crash sweep reaches: %s", p.name)
			continue
		}
		t.Logf("%s: %s", p.name, strings.Join(by[p.name], ", "))
	}
	t.Logf("%d of %d paths", len(by), len(closedPaths()))
	if missed {
		t.FailNow()
	}
}
