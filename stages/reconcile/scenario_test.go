package reconcile

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

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
	Joining []string           // systems whose first plan is not approved yet
	Guards  map[string]int     // creates, changes, deletes; read changes, read nulls, read deletes: at most so many keys
	Shares  map[string]float64 // the same in percent of the records: the larger of the two counts
	Window  string             // of the guards; default 3h
	Begin   []string           // steps; afterwards everybody takes what is sent until all agree
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

	LossyNews string   `yaml:"lossy_news"` // take
	Verify    string   // none: what it shows is not compared right before a write
	OnlyReads []string `yaml:"only_reads"` // fields that are read from it, and never written
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
	most := func(kind string) config.Limit {
		return config.Limit{AtLeast: start.Guards[kind], Percent: start.Shares[kind]}
	}
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
	st.writes = slices.DeleteFunc(slices.Clone(st.writes), func(m mapping) bool { return slices.Contains(w.OnlyReads, m.name) })
	scope, inScope := "", func(merge.Fields) bool { return true }
	if w.Scope != "" {
		scope, inScope = "guest = '"+w.Scope+"'", func(f merge.Fields) bool { return f.Get("guest") == merge.Of(w.Scope) }
	}
	stream, system := projectStream(name, st, scope), oracleSystem(name, st, inScope)
	system.Checked, system.Timed, system.Leave, stream.Extract.Version = w.Verify != "none", true, "keep", "changed"
	stream.Write.Verify = w.Verify
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
