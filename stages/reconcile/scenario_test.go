package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// scenarioStart is start.yaml: the project, and what was so before.
type scenarioStart struct {
	About     string
	Systems   []string
	Authority map[string][]string     // by field; "default" for the rest
	Rules     map[string]scenarioRule // by field, instead of an authority
	Groups    [][]string
	Checks    map[string]string // conditions of the set that is written in Go too
	Deletes   struct {
		Authority     []string
		AgainstUpdate string `yaml:"against_update"`
		Recreate      string
	}
	Write   map[string]scenarioWrite
	Joining []string       // systems whose first plan is not approved yet
	Guards  map[string]int // creates, changes, deletes; read changes, read nulls, read deletes: at most so many keys
	Window  string         // of the guards; default 3h
	Begin   []string       // steps; afterwards everybody takes what is sent until all agree
}

// scenarioRule is a conflict rule as a project file says it.
type scenarioRule struct {
	Latest *struct {
		Skew string
		Then []string
	}
	Priority []string
	Hold     bool
}

func (r scenarioRule) rule(t *testing.T) config.Rule {
	out := config.Rule{Priority: r.Priority, Hold: r.Hold}
	if r.Latest != nil {
		skew, err := time.ParseDuration(r.Latest.Skew)
		must(t, err)
		out.Latest = &config.Latest{Skew: skew, Then: r.Latest.Then}
	}
	return out
}

type scenarioWrite struct {
	Scope  string // guest the record must have
	Settle string
	Cannot []string // create, update, delete
	Leave  string   // keep, delete, hold
	Prices string   // text: it may show one that is no number
	Loses  string   // of the note: "case", "spaces", "all but N characters"; of the price: "cents"

	LossyNews string `yaml:"lossy_news"` // take
}

const scenarioRoot = "../../testdata/scenarios/reconcile"

// TestScenarios plays the folders of testdata/scenarios/reconcile: each is a
// rule, told as a start, steps, and what must be so at the end.
func TestScenarios(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(scenarioRoot, "*", "start.yaml"))
	must(t, err)
	if len(folders) == 0 {
		t.Fatal("no scenarios")
	}
	for _, start := range folders {
		folder := filepath.Dir(start)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			got, end, about := play(t, folder, sqlText)
			if os.Getenv("TRUEUP_WRITE_SCENARIOS") != "" {
				text, err := yaml.Marshal(got)
				must(t, err)
				must(t, os.WriteFile(filepath.Join(folder, "end.yaml"), text, 0o600))
				return
			}
			if !slices.Equal(got, end) {
				t.Fatalf("%s\nat the end:\n  %s\nexpected:\n  %s", about, strings.Join(got, "\n  "), strings.Join(end, "\n  "))
			}
		})
	}
}

// play plays a folder with statements, and gives what is so at the end, what must
// be so, and what it is about.
func play(t *testing.T, folder string, text func(string) (string, error)) (got, end []string, about string) {
	t.Helper()
	var start scenarioStart
	var steps []string
	readYAML(t, folder, "start.yaml", &start)
	readYAML(t, folder, "steps.yaml", &steps)
	readYAML(t, folder, "end.yaml", &end)
	s := newScenario(t, start)
	s.w.text = text
	for _, step := range steps {
		s.do(step)
	}
	return append(s.end(), s.odd...), end, start.About
}

func readYAML(t *testing.T, folder, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	must(t, err)
	must(t, yaml.UnmarshalWithOptions(data, into, yaml.Strict()))
}

// scenario is a game that is told line by line.
type scenario struct {
	*game
	t   *testing.T
	odd []string // runs in which the SQL and the oracle differed
}

func newScenario(t *testing.T, start scenarioStart) *scenario {
	entity := config.Entity{Name: "bookings", Key: []string{"code"}, Fields: []config.EntityField{
		{Name: "code", Type: textType}, {Name: "guest", Type: textType}, {Name: "price", Type: priceType}, {Name: "note", Type: textType}}}
	rules := &merge.Rules{Fields: []string{"code", "guest", "price", "note"},
		Deletes: start.Deletes.Authority, AgainstUpdate: start.Deletes.AgainstUpdate, Recreate: start.Deletes.Recreate == "create"}
	entity.Resolve = config.Resolve{Fields: map[string]config.Rule{},
		Deletes: config.DeleteRule{Authority: rules.Deletes, AgainstUpdate: rules.AgainstUpdate, Recreate: start.Deletes.Recreate}}
	for _, f := range rules.Fields {
		list, ok := start.Authority[f]
		if !ok {
			list = start.Authority["default"]
		}
		rule := config.Rule{Authority: list}
		if r, ok := start.Rules[f]; ok {
			rule = r.rule(t)
		}
		entity.Resolve.Fields[f] = rule
	}
	unite(t, &entity, rules, start)
	g := &game{pages: map[string][]observation{}, calm: true}
	for _, name := range start.Systems {
		stream, system := scenarioSystem(t, name, start.Write[name])
		entity.Streams, rules.Systems = append(entity.Streams, stream), append(rules.Systems, system)
		g.systems = append(g.systems, &player{name: name})
	}
	g.w = newWorld(t, entity, rules)
	s := &scenario{game: g, t: t}
	g.w.exec("PRAGMA disable_optimizer") // tables are small: planning is most of the work
	g.w.nextRun(time.Hour)
	for _, step := range start.Begin {
		s.do(step)
	}
	if len(start.Begin) > 0 {
		s.agree()
	}
	most := func(kind string) config.Limit { return config.Limit{AtLeast: start.Guards[kind]} }
	g.w.guards = config.Guards{MaxDeletes: most("deletes"), MaxChanges: most("changes"), MaxCreates: most("creates"), Window: s.duration(start.Window, 3*time.Hour),
		Input: config.InputGuards{MaxDeletes: most("read deletes"), MaxChanges: most("read changes"), MaxNulls: most("read nulls")}}
	for i := range g.w.states {
		g.w.states[i].joined = !slices.Contains(start.Joining, start.Systems[i])
	}
	return s
}

// unite makes the units that are judged as one, and the checks.
func unite(t *testing.T, entity *config.Entity, rules *merge.Rules, start scenarioStart) {
	entity.Groups = start.Groups
	for _, f := range rules.Fields {
		fields := []string{f}
		for _, g := range start.Groups {
			if slices.Contains(g, f) {
				fields = g
			}
		}
		if fields[0] == f {
			rules.Units = append(rules.Units, unitOf(fields, entity.Resolve.Fields[f]))
		}
	}
	for name, expr := range start.Checks {
		check, ok := knownChecks[expr]
		if !ok {
			t.Fatalf("check %q is not written in Go", expr)
		}
		check.Name = name
		entity.Checks = append(entity.Checks, config.Check{Name: name, Expr: config.Expr{SQL: expr}})
		rules.Checks = append(rules.Checks, check)
	}
}

func scenarioSystem(t *testing.T, name string, w scenarioWrite) (config.Stream, merge.System) {
	st := styles["pms"]
	if w.Prices == "text" {
		st = pricesAsText(st)
	}
	scope, inScope := "", func(merge.Fields) bool { return true }
	if w.Scope != "" {
		scope, inScope = "guest = '"+w.Scope+"'", func(f merge.Fields) bool { return f.Get("guest") == merge.Of(w.Scope) }
	}
	stream, system := projectStream(name, st, scope), oracleSystem(name, st, inScope)
	system.Checked, system.Timed, system.Leave, stream.Extract.Version = true, true, "keep", "changed"
	if w.Leave != "" {
		stream.Write.Leave, system.Leave = w.Leave, w.Leave
	}
	if w.Loses != "" {
		field, loss := lossOf(t, w.Loses)
		declare(&stream, &system, field, loss)
	}
	stream.Write.TakesLossy = w.LossyNews == "take"
	system.TakesLossy = stream.Write.TakesLossy
	if w.Scope != "" {
		system.ScopeReads = []string{"guest"}
	}
	system.Create, system.Update, system.Delete = !slices.Contains(w.Cannot, "create"), !slices.Contains(w.Cannot, "update"), !slices.Contains(w.Cannot, "delete")
	if w.Settle != "" {
		settle, err := time.ParseDuration(w.Settle)
		must(t, err)
		stream.Write.Settle, system.SettleUS = settle, settle.Microseconds()
	}
	stream.Write.Create, stream.Write.Update, stream.Write.Delete = system.Create, system.Update, system.Delete
	return stream, system
}

// pricesAsText is the style, but that its prices are text.
func pricesAsText(st style) style {
	st.columns, st.maps = slices.Clone(st.columns), slices.Clone(st.maps)
	for i, c := range st.columns {
		if c.Name == "price" {
			st.columns[i].Type = textType
		}
	}
	for i, m := range st.maps {
		if m.name == "price" {
			st.maps[i] = of("price", "price", "price", func(text string) (string, bool) {
				_, err := strconv.ParseFloat(text, 64)
				return text, err == nil
			})
		}
	}
	return st
}

func (s *scenario) duration(text string, otherwise time.Duration) time.Duration {
	s.t.Helper()
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	must(s.t, err)
	return d
}

// agree lets everybody take what is sent until nothing is.
func (s *scenario) agree() {
	for range 5 {
		s.do("run")
		if s.w.wrote["out_changes"] == 0 {
			return
		}
		for _, p := range s.systems {
			s.do(p.name + " takes what it is sent")
		}
	}
}

// grammar is what a step can say.
var grammar = []struct {
	says *regexp.Regexp
	does func(s *scenario, m []string)
}{
	{regexp.MustCompile(`^run$`), (*scenario).doRun},
	{regexp.MustCompile(`^(\w+) minutes pass$`), func(s *scenario, m []string) {
		d, err := time.ParseDuration(m[1] + "m")
		must(s.t, err)
		s.w.at = s.w.at.Add(d)
	}},
	{regexp.MustCompile(`^(\w+) shows (\w+)(?: version (\d+))?: (.*)$`), (*scenario).doShow},
	{regexp.MustCompile(`^(\w+) shows (\w+) edited at (\d\d:\d\d): (.*)$`), func(s *scenario, m []string) {
		at, err := time.Parse("2006-01-02 15:04", start.Format("2006-01-02 ")+m[3])
		must(s.t, err)
		s.doShow([]string{m[0], m[1], m[2], fmt.Sprint(at.UnixMicro()), m[4]})
	}},
	{regexp.MustCompile(`^a person takes what (\w+) says of (\S+) of (\w+)$`), func(s *scenario, m []string) {
		s.person(m[2], m[3], func(h map[string]*string) map[string]any {
			choice := map[string]any{"take": m[1]}
			if m[1] != "golden" {
				side := decodeText[map[string]merge.Contender](s.t, str(h["contenders"]))[m[1]]
				choice["value"] = side.Taken(decodeText[map[string]merge.Shown](s.t, str(h["golden"])))
			}
			return choice
		})
	}},
	{regexp.MustCompile(`^a person says that (\w+) of (\w+) is (.*)$`), func(s *scenario, m []string) {
		s.person(m[1], m[2], func(map[string]*string) map[string]any {
			return map[string]any{"value": s.fields(m[1] + " " + m[3])}
		})
	}},
	{regexp.MustCompile(`^a person leaves (\S+) of (\w+) as it is$`), func(s *scenario, m []string) {
		s.person(m[1], m[2], func(map[string]*string) map[string]any { return map[string]any{"leave": true} })
	}},
	{regexp.MustCompile(`^(\w+) shows that (\w+) of (\w+) is (deleted|missing|moved away)$`), (*scenario).doEnd},
	{regexp.MustCompile(`^(\w+) shows (\w+), which cannot be read$`), func(s *scenario, m []string) {
		s.w.exec(`INSERT INTO t_dead_letters (entity, system, letter, id, open, asked_at) VALUES ('bookings', ?, ?, ?, true, make_timestamptz(?::BIGINT))`,
			m[1], m[2], m[2], s.w.at.UnixMicro())
	}},
	{regexp.MustCompile(`^(\w+) cannot be read$`), func(s *scenario, m []string) { s.state(m[1]).complete = false }},
	{regexp.MustCompile(`^(\w+) is not due$`), func(s *scenario, m []string) { *s.state(m[1]) = systemState{joined: s.state(m[1]).joined} }},
	{regexp.MustCompile(`^(\w+) (takes|refuses) what it is sent$`), (*scenario).doAnswer},
	{regexp.MustCompile(`^nobody knows what became of the write to (\w+)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.settled(c, str(c["id"]), s.w.at, "in_doubt", "in_doubt", "outcome") })
	}},
	{regexp.MustCompile(`^it turns out that (\w+) took it$`), func(s *scenario, m []string) {
		s.each(m[1], "in_doubt", func(c map[string]*string) { s.take(m[1], c, nil) })
	}},
	{regexp.MustCompile(`^it turns out that (\w+) took it, and by now it has (.*)$`), func(s *scenario, m []string) {
		s.each(m[1], "in_doubt", func(c map[string]*string) { s.take(m[1], c, s.fields(m[2])) })
	}},
	{regexp.MustCompile(`^(approve|reject) what waits$`), func(s *scenario, m []string) {
		for _, p := range s.systems {
			s.each(p.name, "planned", func(c map[string]*string) { s.decide(m[1], c) })
			s.each(p.name, "held", func(c map[string]*string) { s.decide(m[1], c) })
		}
	}},
	{regexp.MustCompile(`^decide to (keep|delete) (\w+)$`), func(s *scenario, m []string) {
		for _, h := range s.w.query("SELECT hold, contenders FROM t_holds WHERE state = 'open' AND field = '' AND _key = ?", m[2]) {
			s.w.choose(fmt.Sprintf("%s-%s-%d", m[1], m[2], s.w.at.UnixMicro()), *h["hold"], *h["contenders"], m[1], s.w.at)
		}
	}},
	{regexp.MustCompile(`^approve what (\w+) says$`), func(s *scenario, m []string) {
		for _, f := range s.w.query("SELECT finding, observed FROM t_findings WHERE kind = 'quarantine' AND state = 'open' AND system = ?", m[1]) {
			s.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, recorded_at, expires_at) VALUES (?, 'approve', ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))`,
				"approve"+*f["finding"]+s.w.runID(), *f["finding"], `["`+*f["finding"]+" "+*f["observed"]+`"]`, s.w.at.UnixMicro(), s.w.at.Add(24*time.Hour).UnixMicro())
		}
	}},
	{regexp.MustCompile(`^reject what would be sent to (\w+)$`), func(s *scenario, m []string) {
		s.each(m[1], "ready", func(c map[string]*string) { s.decide("reject", c) })
	}},
}

func (s *scenario) do(step string) {
	s.t.Helper()
	for _, rule := range grammar {
		if m := rule.says.FindStringSubmatch(step); m != nil {
			rule.does(s, m)
			return
		}
	}
	s.t.Fatalf("no step says %q", step)
}

func (s *scenario) state(system string) *systemState {
	s.t.Helper()
	for i, p := range s.systems {
		if p.name == system {
			return &s.w.states[i]
		}
	}
	s.t.Fatalf("no system %q", system)
	return nil
}

// person decides the open hold on a field.
func (s *scenario) person(field, key string, choice func(hold map[string]*string) map[string]any) {
	s.t.Helper()
	open := s.w.query("SELECT * FROM t_holds WHERE state = 'open' AND field = ? AND _key = ?", field, key)
	if len(open) != 1 {
		s.t.Fatalf("%d open holds on %s of %s", len(open), field, key)
	}
	s.decideHold(open[0], choice(open[0]))
}

// doRun judges what was shown since the last run, with SQL and oracle; an hour
// passes until the next.
func (s *scenario) doRun([]string) {
	s.t.Helper()
	s.flush()
	if err := s.w.judgeBoth(); err != nil {
		s.odd = append(s.odd, err.Error())
	}
	for i := range s.w.states {
		s.w.states[i].due, s.w.states[i].complete = true, true
	}
	s.w.nextRun(time.Hour)
}

// fields reads "code A, guest Ana, note nothing".
func (s *scenario) fields(text string) map[string]*string {
	out := map[string]*string{}
	for _, part := range strings.Split(text, ", ") {
		name, value, ok := strings.Cut(part, " ")
		if !ok {
			s.t.Fatalf("%q is no field with its value", part)
		}
		if out[name] = &value; value == "nothing" {
			out[name] = nil
		}
	}
	return out
}

func (s *scenario) doShow(m []string) {
	fields := s.fields(m[4])
	fields["id"] = &m[2]
	o := observation{key: *fields["code"], id: m[2], op: pipeline.Upsert, asked: s.w.at, fields: fields}
	if m[3] != "" {
		o.version = numberOrNil(&m[3])
	}
	s.show(m[1], o)
	s.readable = append(s.readable, "'"+m[2]+"'")
}

func (s *scenario) doEnd(m []string) {
	op := map[string]pipeline.Op{"deleted": pipeline.Delete, "missing": pipeline.Missing, "moved away": pipeline.Moved}[m[4]]
	s.show(m[1], observation{key: m[3], id: m[2], op: op, asked: s.w.at})
}

func (s *scenario) each(system, state string, do func(c map[string]*string)) {
	for _, c := range s.w.query("SELECT * FROM t_changes WHERE system = ? AND state = ? ORDER BY _key", system, state) {
		do(c)
	}
	s.flush()
}

func (s *scenario) doAnswer(m []string) {
	s.each(m[1], "ready", func(c map[string]*string) {
		if m[2] == "refuses" {
			s.settled(c, str(c["id"]), s.w.at, "refused", "failed", "outcome")
			return
		}
		s.take(m[1], c, nil)
	})
}

// take lets a write have its effect, and stores the answer. since is what has changed
// when, after a doubt, only a look shows the record.
func (s *scenario) take(system string, c, since map[string]*string) {
	id := str(c["id"])
	if *c["op"] == "delete" {
		s.settled(c, id, s.w.at, "applied", "applied", "outcome")
		s.show(system, observation{key: *c["_key"], id: id, op: pipeline.Delete, asked: s.w.at})
		return
	}
	if *c["op"] == "create" {
		s.ids++
		id = fmt.Sprintf("%s-new%d", system, s.ids)
	}
	fields := map[string]*string{}
	for _, r := range s.w.query(fmt.Sprintf(`SELECT * FROM "in_replica_%s" WHERE _key = ? AND _id = ?`, system), *c["_key"], id) {
		for _, f := range s.w.stream(system).Extract.Fields {
			fields[f.Name] = r[f.Name]
		}
	}
	maps.Copy(fields, decodeText[map[string]*string](s.t, str(c["after"])))
	maps.Copy(fields, since)
	fields["id"] = &id
	unproven := map[string]string{}
	for name := range since {
		unproven[name] = "unknown"
	}
	text, err := json.Marshal(unproven)
	must(s.t, err)
	s.settled(c, id, s.w.at, "applied", "applied", "outcome", string(text))
	s.show(system, observation{key: *c["_key"], id: id, op: pipeline.Upsert, asked: s.w.at, fields: fields, commit: s.w.seq})
}

func (s *scenario) decide(kind string, c map[string]*string) {
	s.w.exec(`INSERT INTO t_decisions (decision, kind, target, effects, recorded_at, expires_at) VALUES (?, ?, ?, ?, make_timestamptz(?::BIGINT), make_timestamptz(?::BIGINT))`,
		kind+*c["change"], kind, *c["change"], `["`+*c["effect"]+`"]`, s.w.at.UnixMicro(), s.w.at.Add(24*time.Hour).UnixMicro())
}
