package reconcile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// mutation is a mistake that one could make in the SQL.
type mutation struct {
	name     string
	file     string // of statements, or the table that a compiled statement makes
	from, to string // everywhere in it
	scenario string // that shows it, where few games come to it; "": the games do
}

// Each of these loses, deletes, doubles or resurrects something.
var mutations = []mutation{
	{"a null that nobody put there is news", "observe", "THEN 'unset' ELSE m.state END", "THEN m.state ELSE m.state END", ""},
	{"a write in doubt is taken for known", "observe", "WHEN d._key IS NOT NULL THEN 'in_doubt'", "WHEN false THEN 'in_doubt'", ""},
	{"missing is taken for known", "observe", "WHEN h.missing THEN 'missing'", "WHEN false THEN 'missing'", ""},
	{"an unread system is taken for known", "observe", "THEN 'unread'", "THEN ''", ""},
	{"two live records are taken for one", "observe", "WHEN h.live > 1 THEN 'twins'", "WHEN false THEN 'twins'", ""},
	{"a dead letter is forgotten", "observe", "WHEN u._key IS NOT NULL THEN 'dead_letter'", "WHEN false THEN 'dead_letter'", ""},
	{"a deleted record is live again by a late page", "observe", "r.asked_us <= l.at_us + s.settle_us", "false", ""},
	{"a lagging page is news", "observe", "s.asked_us < a.at_us + p.settle_us", "false", ""},
	{"a look after a doubt is taken for the answer", "learn", "c.op = 'create' AND c.outcome = 'unknown'", "false", "a-look-after-a-doubt-is-not-the-answer"},
	{"any system may delete", "presence", "LEFT JOIN p_deletes d USING (system)\n", "LEFT JOIN (SELECT system FROM p_system) d USING (system)\n", ""},
	{"a delete does not look for updates", "presence", "WHEN s.updaters IS NULL THEN 'dies'", "WHEN true THEN 'dies'", ""},
	{"a new life keeps the old bases", "presence", "f.fate = 'reborn' OR f.fate IN ('live', 'dies')", "f.fate IN ('live', 'dies')", ""},
	{"an old ID begins a new life", "presence", "s.id IS NOT NULL AND NOT s.old AS part", "s.id IS NOT NULL AS part", ""},
	{"base is not asked for news", "fields", "AND (n.state <> n.base_state OR n.value IS DISTINCT FROM n.base_value)", "", ""},
	{"the last of the list rules", "fields", "ORDER BY a.rank) = 1", "ORDER BY a.rank DESC) = 1", ""},
	{"an authority that is unknown does not rule", "fields", "WHEN p.unknown <> '' OR p.id IS NOT NULL", "WHEN p.id IS NOT NULL", ""},
	{"golden does not contend", "contest", "SEMI JOIN (FROM side_news WHERE unseen)", "SEMI JOIN (FROM side_news WHERE false)", ""},
	{"who is provably older still counts", "contest", "(future OR coalesce(until", "(future OR false AND coalesce(until", ""},
	{"the skew is forgotten", "contest", "until + skew_us < max", "until < max", "latest-edits-within-the-skew-are-not-ordered"},
	{"a time beyond now counts", "contest", "coalesce(k.is_clock AND k.until > r.run_at_us + u.skew_us, false) AS future", "false AS future", ""},
	{"who is covered contends all the same", "contest", "CASE WHEN kept & m = 0 THEN", "CASE WHEN true THEN", "a-side-that-covers-another-stands-for-both"},
	{"who is covered one-sidedly is looked at first", "contest", "ORDER BY o.name IS NOT NULL, c.name", "ORDER BY c.name", "a-side-that-covers-another-stands-for-both"},
	{"a person comes after the list", "contest", "CASE c.source WHEN 'person' THEN -1 ELSE", "CASE c.source WHEN '' THEN -1 ELSE", "priority-a-person-comes-first"},
	{"the order of the rule is forgotten", "contest", "ORDER BY beaten, rank, source", "ORDER BY beaten, source", ""},
	{"golden does not rank as its source", "contest", "LEFT JOIN p_rank a ON a.unit = c.unit AND a.system = c.source", "LEFT JOIN p_rank a ON false", ""},
	{"a hold is decided by the order of names", "held", "WHERE kind = 'hold' AND many > 1", "WHERE false", ""},
	{"a hold closes when one side is left", "held", " OR s.kind IN ('hold', 'oscillation') AND c._key IS NOT NULL", "", ""},
	{"a hold closes while a side cannot be read", "held", "s.fate = 'held' OR s.is_unknown OR", "s.fate = 'held' OR", ""},
	{"news drop what their system does not show", "held", "FROM partial\n", "FROM partial WHERE false\n", "an-edit-of-a-shortened-text-waits"},
	{"what a lost answer may have altered is news", "held", "FROM doubtful\n", "FROM doubtful WHERE false\n", "what-a-lost-answer-may-have-altered-waits"},
	{"what a lost answer may have altered is told from an edit when it is seen again", "learn", "'unsure'", "'unset'", "what-a-lost-answer-altered-waits-also-after-a-run-that-could-not-read-it"},
	{"other letters in an answer hide golden", "fields", "a.field IS NULL AND (n.base_state", "(n.base_state", "what-a-system-answered-in-other-letters-was-seen"},
	{"whatever a system answered, it has seen golden", "fields", "AND _letters(d.golden) = _letters(d.seen)", "", "what-a-system-answered-otherwise-was-not-seen"},
	{"an answer to what golden was counts for what it is", "fields", "AND w.value = d.golden", "", "what-was-answered-in-other-letters-counts-until-golden-changes"},
	{"what an old record says is not listed", "send", "WHERE a.live AND n.mapped_state", "WHERE false AND n.mapped_state", "an-old-record-beside-a-new-life-is-listed"},
	{"a group is taken in the words of its side", "fields", "(NOT carried OR n.state =", "(NOT carried OR false AND n.state =", "a-group-keeps-what-its-side-shows-only-in-part"},
	{"systems undo each other for ever", "held", "r.window_us) >= 2)", "r.window_us) >= 99)", "two-systems-that-undo-each-other-wait"},
	{"what waits for a person counts in every run", "send", "    ANTI JOIN waiting w", "    ANTI JOIN (FROM waiting WHERE false) w", "what-waits-for-a-person-does-not-count-again"},
	{"what a person left is forgotten while it waits again", "send", "JOIN waiting_column h ON h._key = r._key AND h.system = r.system AND h.col = r.field\n", "JOIN waiting_column h ON false\n", "what-a-person-left-outlasts-another-hold"},
	{"a check is not looked at", "held", "WHERE m.winner IS NOT NULL)", "WHERE false)", ""},
	{"a group that does not map is judged", "fields", "WHERE s.state = 'unknown' AND f.unit <> f.field", "WHERE false", ""},
	{"the base of a contender moves", "judged", "AND f._key IS NULL AND coalesce(n.state", "AND coalesce(n.state", ""},
	{"a held field is sent", "send", "ANTI JOIN waiting_column h ON h._key = a._key AND h.system = a.system AND h.col = w.col\n", "", ""},
	{"a create sends a held field", "send", " HAVING count(h.col) = 0", "", ""},
	{"a decision judges nothing", "decided", "WHERE base1._key = s._key", "WHERE false AND base1._key = s._key", ""},
	{"a decision changes nothing", "decided", "WHERE golden1._key = c._key", "WHERE false AND golden1._key = c._key", ""},
	{"what a person left is sent", "judged", "INSERT INTO difference1 FROM pin;", "", ""},
	{"open holds are not looked at", "candidates", "WHERE h.state = 'open' AND h.entity", "WHERE false AND h.entity", ""},
	{"a write's answer is not taken into base", "learn", "WHERE o.outcome IN ('applied', 'applied_partly', 'already_true', 'not_kept')\n  AND (o.op", "WHERE false AND (o.op", ""},
	{"our own delete is news", "learn", "WHERE op = 'delete' AND outcome IN ('applied', 'applied_partly', 'already_true')", "WHERE false", ""},
	{"base does not follow what was overridden", "judged", "CASE WHEN moves THEN state", "CASE WHEN false THEN state", ""},
	{"a payload that left a field out moves its version", "judged", "WHEN moves AND carried THEN version", "WHEN moves THEN version", ""},
	{"a write moves the version of what it did not send", "learn", "THEN t.version\n            ELSE b.version", "THEN t.version\n            ELSE coalesce(t.version, b.version)", ""},
	{"what lags is sent", "send", "AND NOT n.lagging\n", "\n", ""},
	{"a refusal is forgotten", "send", "ANTI JOIN refused r ON r._key = p._key AND r.system = p.system AND r.field = '' AND r.golden = p.effect", "", "a-refused-delete-is-not-sent-again"},
	{"what the system deleted is created again", "send", "coalesce(l.deleted_there, false) AND NOT r.recreate AS waits", "false AS waits", ""},
	{"what differs in a group that cannot be read is not told", "send", "JOIN blind b ON b._key = n._key", "JOIN blind b ON false AND b._key = n._key", "a-group-that-cannot-be-read-whole-stays-apart"},
	{"nothing waits for the plan", "plan", "WHEN (NOT s.joined OR n.unjoined) AND NOT r.yes THEN 'planned'", "", ""},
	{"a change that failed is never wanted again", "plan", "'superseded', 'failed')", "'superseded')", ""},
	{"a settled change is proposed again", "plan", "WHERE e.change IS NULL OR e.state IN ('planned', 'ready', 'held', 'superseded', 'failed')", "", ""},
	{"the guard counts nothing", "guard", "WHERE v.keys > greatest", "WHERE false AND v.keys > greatest", ""},
	{"what is no longer wanted stays", "guard", "ANTI JOIN final_change f ON f.change = c.change;", "WHERE false;", ""},
	{"what leaves a scope stays there", "send", "s.leave <> 'keep' AND w._key IS NULL AS goes", "false AS goes", ""},
	{"nobody is asked before it is deleted", "plan", "WHEN n.asks AND NOT", "WHEN false AND n.asks AND NOT", ""},
	{"a decision counts for sides that were not shown", "presence", "SELECT w._key, bool_and(c._key IS NULL OR", "SELECT w._key, bool_and(true OR", "a-decision-counts-for-what-was-shown"},
	{"a decision on a side that is away is taken in", "presence", "s.blind AND coalesce(w.blind, true) AS waits", "s.blind AND w._key IS NULL AS waits", ""},
	{"no stream is ever quarantined", "input", "WHERE m.keys > m.most", "WHERE false", ""},
	{"the window of the input is not counted", "input", "WHERE x.told_at > n.since", "WHERE false", ""},
	{"what was approved counts again", "send", "WHERE r.asked_us > coalesce(l.up_to_us, 0)", "WHERE true", ""},
	{"records that are new to golden count as news", "send", "(t.kind = 'stale' OR f.fate NOT IN ('born', 'reborn'))", "true", ""},
	{"versions that go back are not counted", "send", "SELECT _key, system, 'stale' FROM went_back", "SELECT _key, system, 'stale' FROM went_back WHERE false", ""},
	{"a quarantined stream is judged", "observe", "WHEN s.quarantined THEN 'quarantined'", "WHEN false THEN 'quarantined'", ""},
	{"creates are not guarded", "plan", "n.op || 's' AS kind", "CASE n.op WHEN 'create' THEN '' ELSE n.op || 's' END AS kind", ""},
	{"keys with open changes are not looked at", "candidates", "WHERE state IN ('planned', 'ready', 'held', 'sent', 'in_doubt')", "WHERE false", ""},
	{"what a system missed is not looked at", "candidates", "SELECT _khash, _key FROM in_golden_behind", "SELECT _khash, _key FROM in_golden_behind WHERE false", ""},
	{"another ID says nothing", "cells", " OR b.id IS DISTINCT FROM r.id", "", ""},
	{"an answer says nothing", "cells", "SELECT _key FROM outcome\n", "SELECT _key FROM outcome WHERE false\n", ""},
	{"nobody asks whether a record is missing", "loud", "IS NULL AND n._in", "IS NULL AND false AND n._in", ""},
	{"a field that a scope reads moves alone", "loud", " OR _w) AS _whole", " AND false OR _w) AS _whole", ""},
	{"what a system shows is not looked at", "loud", " THEN m", " THEN true OR m", ""},
	{"a value where golden has none is not looked at", "loud", " ELSE m", " ELSE true OR m", ""},
	{"a base of its own is not looked at", "loud", "NOT map_contains(", "NOT never(", ""},
	{"a payload that left a field out is not looked at", "loud", ".whole OR ", ".whole OR true OR ", ""},
}

// text of a statement with the mistake in it.
func (m mutation) text(name string) (string, error) {
	text, err := sqlText(name)
	if name == m.file {
		if !strings.Contains(text, m.from) {
			panic(fmt.Sprintf("%s.sql has no %q any more", m.file, m.from))
		}
		text = strings.ReplaceAll(text, m.from, m.to)
	}
	return text, err
}

// rewrite is a compiled statement with the mistake in it, where the project has a
// part of that kind.
func (m mutation) rewrite(statement string) string {
	if strings.HasPrefix(statement, "CREATE OR REPLACE TEMP TABLE "+m.file+" AS ") {
		return strings.ReplaceAll(statement, m.from, m.to)
	}
	return statement
}

// rare mutations leave out what should be looked at: that shows most where little happens.
func (m mutation) rare() bool { return m.file == "cells" || m.file == "loud" }

func parted(all []mutation, is func(mutation) bool) (yes, no []mutation) {
	for _, m := range all {
		if is(m) {
			yes = append(yes, m)
		} else {
			no = append(no, m)
		}
	}
	return yes, no
}

// place is where a game shows a mutation: its seed, and the run.
type place struct {
	seed uint64
	run  int
}

// places only save time: a mutation that its place does not show, or that has none,
// is looked for in all games.
var places = map[string]place{
	"a check is not looked at":                          {9, 3},
	"who is provably older still counts":                {1, 4},
	"versions that go back are not counted":             {8, 3},
	"a null that nobody put there is news":              {1, 2},
	"missing is taken for known":                        {1, 3},
	"two live records are taken for one":                {1, 2},
	"any system may delete":                             {1, 2},
	"an old ID begins a new life":                       {1, 2},
	"base is not asked for news":                        {1, 2},
	"the last of the list rules":                        {1, 2},
	"golden does not contend":                           {1, 2},
	"a time beyond now counts":                          {1, 3},
	"a write's answer is not taken into base":           {1, 2},
	"base does not follow what was overridden":          {1, 2},
	"the guard counts nothing":                          {1, 2},
	"what is no longer wanted stays":                    {1, 2},
	"what leaves a scope stays there":                   {1, 2},
	"nobody is asked before it is deleted":              {1, 2},
	"records that are new to golden count as news":      {1, 2},
	"keys with open changes are not looked at":          {1, 2},
	"what a system shows is not looked at":              {1, 2},
	"a value where golden has none is not looked at":    {1, 2},
	"a write in doubt is taken for known":               {4, 4},
	"a dead letter is forgotten":                        {1, 3},
	"a deleted record is live again by a late page":     {1, 3},
	"an authority that is unknown does not rule":        {4, 4},
	"our own delete is news":                            {1, 3},
	"a field that a scope reads moves alone":            {4, 3},
	"a delete does not look for updates":                {1, 4},
	"a payload that left a field out moves its version": {1, 4},
	"another ID says nothing":                           {1, 3},
	"a new life keeps the old bases":                    {1, 5},
	"a decision on a side that is away is taken in":     {2, 5},
	"nobody asks whether a record is missing":           {2, 2},
	"the order of the rule is forgotten":                {2, 2},
	"a write moves the version of what it did not send": {2, 2},
	"nothing waits for the plan":                        {2, 2},
	"who is covered contends all the same":              {2, 3},
	"golden does not rank as its source":                {2, 3},
	"open holds are not looked at":                      {1, 2},
	"an answer says nothing":                            {3, 2},
	"a base of its own is not looked at":                {3, 4},
	"a hold closes when one side is left":               {5, 2},
	"a hold closes while a side cannot be read":         {3, 2},
	"the base of a contender moves":                     {3, 2},
	"a decision judges nothing":                         {3, 2},
	"a decision changes nothing":                        {3, 2},
	"no stream is ever quarantined":                     {3, 3},
	"a quarantined stream is judged":                    {3, 3},
	"a payload that left a field out is not looked at":  {2, 4},
	"a hold is decided by the order of names":           {3, 2},
	"a change that failed is never wanted again":        {1, 5},
	"a settled change is proposed again":                {9, 2},
	"the window of the input is not counted":            {3, 3},
	"what was approved counts again":                    {6, 3},
	"what a system missed is not looked at":             {4, 5},
	"an unread system is taken for known":               {3, 2},
	"what the system deleted is created again":          {4, 2},
	"a lagging page is news":                            {5, 2},
	"a create sends a held field":                       {5, 2},
	"what lags is sent":                                 {5, 2},
	"a held field is sent":                              {4, 2},
	"what a person left is sent":                        {2, 4},
	"a group that does not map is judged":               {6, 2},
	"creates are not guarded":                           {7, 5},
}

// TestMutationsAreCaught judges the same games with mistakes in the SQL: every
// one of them must show in what is given to the lake.
func TestMutationsAreCaught(t *testing.T) {
	only := os.Getenv("TRUEUP_MUTATION") // part of a name; all of them without it
	open := slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool { return !strings.Contains(m.name, only) })
	open = slices.DeleteFunc(open, func(m mutation) bool { return m.scenario != "" && m.shows(t) })
	open = caught(t, open, func(m mutation, at place) bool { return places[m.name] == at })
	open = caught(t, open, func(mutation, place) bool { return true })
	for _, m := range open {
		t.Errorf("not caught: %s", m.name)
	}
}

// caught plays games and judges with mistakes in the SQL where it says so. It gives
// the mutations that made no difference.
func caught(t *testing.T, open []mutation, here func(mutation, place) bool) []mutation {
	t.Helper()
	for seed := uint64(1); seed < 12 && len(open) > 0; seed++ {
		if !slices.ContainsFunc(open, func(m mutation) bool {
			return slices.ContainsFunc([]int{2, 3, 4, 5, 7, 8}, func(run int) bool { return here(m, place{seed, run}) })
		}) {
			continue
		}
		g := newGame(t, seed, 120)
		g.w.exec("PRAGMA disable_optimizer") // tables are small: planning is most of the work
		g.w.exec("CREATE TEMP MACRO never(a, b) AS false")
		for run := range 9 {
			g.calm, g.rare = run == 6, run > 6
			g.step()
			g.w.judge()
			if run >= 2 && !g.calm {
				now, later := parted(open, func(m mutation) bool { return (m.rare() || !g.rare) && here(m, place{seed, run}) })
				left := uncaught(t, g.w, now)
				for _, m := range now {
					if at := (place{seed, run}); places[m.name] != at && !slices.Contains(left, m) {
						t.Logf("%q: {%d, %d},", m.name, seed, run)
					}
				}
				open = append(left, later...)
			}
			g.w.fold()
			g.send()
		}
	}
	return open
}

// shows reports whether the mutation's scenario ends otherwise than it should.
func (m mutation) shows(t *testing.T) bool {
	t.Helper()
	shown := false
	t.Run(m.name, func(t *testing.T) { // its database ends with it
		got, end, _ := play(t, filepath.Join(scenarioRoot, m.scenario), m.text)
		shown = !slices.Equal(got, end)
	})
	return shown
}

// uncaught are the mutations that give the same as the true SQL here.
func uncaught(t *testing.T, w *world, open []mutation) []mutation {
	t.Helper()
	if len(open) == 0 {
		return nil
	}
	truth := w.outputs()
	var left []mutation
	for _, m := range open {
		w.text, w.s.rewrite = m.text, m.rewrite
		if err := w.tryJudge(); err == nil && slices.Equal(truth, w.outputs()) {
			left = append(left, m)
		}
	}
	w.text, w.s.rewrite = sqlText, nil
	w.judge()
	if !slices.Equal(truth, w.outputs()) {
		t.Fatal("the same judgement gave something else the second time")
	}
	return left
}

// outputs is everything that a judgement gave, as text.
func (w *world) outputs() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(w.entity.Outputs())) {
		for _, r := range w.query("SELECT to_json(o) AS line FROM " + name + " o ORDER BY ALL") {
			out = append(out, name+" "+*r["line"])
		}
	}
	return out
}

// TestTheResultDoesNotDependOnRangesOrThreads: same tables, same output.
func TestTheResultDoesNotDependOnRangesOrThreads(t *testing.T) {
	g := newGame(t, 7, 60)
	for range 4 {
		g.step()
		g.w.judge()
		whole := g.w.outputs()
		if len(whole) == 0 {
			t.Fatal("nothing was decided")
		}
		g.w.perHash = 13
		g.w.exec("SET threads = 1")
		g.w.judge()
		if parts := g.w.outputs(); !slices.Equal(whole, parts) {
			t.Fatalf("in ranges of 13 keys on one thread it differs:\n%s", cmp.Diff(whole, parts))
		}
		g.w.perHash = 1000
		g.w.exec("SET threads = 2")
		g.w.fold()
		g.send()
	}
}

// TestNoJoinComparesEverythingWithEverything: a condition on one side alone in an
// outer join makes DuckDB compare all pairs of rows, which no small table shows.
func TestNoJoinComparesEverythingWithEverything(t *testing.T) {
	g := newGame(t, 3, 40)
	g.w.watch = func(statement string) {
		if strings.Contains(statement, "TABLE p_") {
			return // a parameter: rows, and no query
		}
		if strings.Contains(statement, "TABLE word AS") || strings.Contains(statement, "TABLE volume AS") {
			return // compared with the one row of p_run
		}
		rows, err := g.w.s.Query(t.Context(), "EXPLAIN "+statement)
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var kind, plan string
			must(t, rows.Scan(&kind, &plan))
			if strings.Contains(plan, "NL_JOIN") || strings.Contains(plan, "NESTED_LOOP") {
				t.Errorf("all pairs are compared:\n%s\n%s", statement, plan)
			}
		}
		must(t, rows.Err())
	}
	for range 2 {
		g.step()
		g.w.judge()
		g.w.fold()
		g.send()
	}
}

// TestWhatIsQuietChangesNothing judges games twice: looking at the cells that can
// change, and at all of them. Nobody can tell the results apart.
func TestWhatIsQuietChangesNothing(t *testing.T) {
	quiet, cells := int64(0), int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		game := map[bool]func(testing.TB, uint64, int) *game{true: newDrawnGame, false: newGame}[rapid.Bool().Draw(rt, "drawn")]
		g := game(t, rapid.Uint64().Draw(rt, "seed"), 40)
		g.w.exec("PRAGMA disable_optimizer") // tables are small: planning is most of the work
		for run := range 12 {
			g.calm, g.rare = run%6 == 1 || run%6 == 2, run%6 > 2 // anything happens; it settles; then little happens
			if g.rare {
				g.nudge()
			}
			g.step()
			g.w.judge()
			if g.calm {
				g.w.fold()
				g.send()
				continue
			}
			few := g.w.outputs()
			n := g.w.query("SELECT (SELECT count(*) FROM cell) AS loud, (SELECT count(*) FROM cand) * (SELECT count(*) FROM p_field) AS cells")[0]
			quiet, cells = quiet+number(n["cells"])-number(n["loud"]), cells+number(n["cells"])
			some := g.w.text
			g.w.text = allLoud
			g.w.judge()
			g.w.text = some
			if diff := cmp.Diff(g.w.outputs(), few); diff != "" {
				rt.Fatalf("looking at all cells (-) and at those that can change (+):\n%s", diff)
			}
			g.w.fold()
			g.send()
		}
	})
	t.Logf("%d of %d cells were quiet", quiet, cells)
	if quiet < 50 {
		t.Error("too few to show anything")
	}
}

// allLoud are the statements, but that every cell is looked at.
func allLoud(name string) (string, error) {
	if name == "cells" {
		return "CREATE OR REPLACE TEMP TABLE whole AS SELECT _key FROM cand", nil
	}
	return sqlText(name)
}
