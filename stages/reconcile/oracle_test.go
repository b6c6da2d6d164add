package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile/merge"
)

// verdicts lets the oracle judge the situations as they stand.
func (w *world) verdicts(in map[string]*merge.Situation, candidates map[string]bool) (map[string]merge.Verdict, []merge.Planned, []string) {
	rules := *w.rules
	rules.Run, rules.NowUS, rules.WindowUS = w.runID(), w.at.UnixMicro(), w.guards.Window.Microseconds()
	rules.Systems = slices.Clone(w.rules.Systems)
	for i := range rules.Systems {
		rules.Systems[i].Joined, rules.Systems[i].Due, rules.Systems[i].Complete = w.states[i].joined, w.states[i].due, w.states[i].complete
	}
	on := w.standing(in)
	for i, s := range rules.Systems {
		rules.Systems[i].ApprovedUS = w.approvedInput(on, s.Name)
	}
	out, all := w.judgeAll(&rules, in, candidates)
	for {
		more := rules.Quarantines(w.guarded(in, on), all)
		if len(more) == 0 {
			break
		}
		for i, s := range rules.Systems {
			if slices.ContainsFunc(more, func(q merge.Quarantine) bool { return q.System == s.Name }) {
				rules.Systems[i].Quarantined = true
			}
		}
		out, all = w.judgeAll(&rules, in, candidates)
	}
	for _, s := range rules.Systems {
		if w.inQuarantine(s.Name) != s.Quarantined {
			w.t.Fatalf("%s: the oracle says quarantine: %t, the SQL does not", s.Name, s.Quarantined)
		}
	}
	stands, superseded := merge.Plan(&rules, on, all)
	return out, stands, superseded
}

func (w *world) judgeAll(rules *merge.Rules, in map[string]*merge.Situation, candidates map[string]bool) (map[string]merge.Verdict, []merge.Judged) {
	out := map[string]merge.Verdict{}
	var all []merge.Judged
	for _, key := range slices.Sorted(maps.Keys(in)) {
		out[key] = merge.Judge(rules, *in[key])
		if !candidates[key] {
			continue // what nobody looks at must come out as it stands; judgeBoth compares
		}
		all = append(all, merge.Judged{Key: key, Changes: in[key].Changes, Verdict: out[key]})
	}
	return out, all
}

// approvedInput is up to when a person approved what a stream said.
func (w *world) approvedInput(on merge.Standing, system string) (upTo int64) {
	for effect, kind := range on.Words {
		name, shown, ok := strings.Cut(effect, " ")
		_, moment, dated := strings.Cut(shown, " as of ")
		if !ok || !dated || kind != "approve" || name != quarantineID(system) {
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05.000000", moment)
		must(w.t, err)
		upTo = max(upTo, at.UnixMicro())
	}
	return upTo
}

func quarantineID(system string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"quarantine", "bookings", system, "", ""}, "\x1f")))
	return hex.EncodeToString(sum[:])
}

// guarded reads what the input guards stand on.
func (w *world) guarded(in map[string]*merge.Situation, on merge.Standing) merge.Guarded {
	g := merge.Guarded{Records: on.Records, Recent: map[string]map[string]map[string]bool{},
		Limits: limits(map[string]config.Limit{"deletes": w.guards.Input.MaxDeletes, "stale": w.guards.Input.MaxDeletes,
			"news": w.guards.Input.MaxChanges, "nulls": w.guards.Input.MaxNulls})}
	for key, s := range in {
		for _, l := range s.Links {
			if l.ToldUS <= w.at.Add(-w.guards.Window).UnixMicro() {
				continue
			}
			kind := "news"
			if l.State == "gone" || l.State == "moved" {
				kind = "deletes"
			}
			if g.Recent[l.System] == nil {
				g.Recent[l.System] = map[string]map[string]bool{"news": {}, "deletes": {}}
			}
			g.Recent[l.System][kind][key] = true
		}
	}
	return g
}

// limits are those that guard anything.
func limits(all map[string]config.Limit) map[string]merge.Limit {
	out := map[string]merge.Limit{}
	for kind, l := range all {
		if l != (config.Limit{}) {
			out[kind] = merge.Limit{AtLeast: l.AtLeast, Percent: l.Percent}
		}
	}
	return out
}

// standing reads what the change set stands on.
func (w *world) standing(in map[string]*merge.Situation) merge.Standing {
	on := merge.Standing{Plan: w.plan, Yes: w.yes, Words: map[string]string{}, Records: map[string]int{}, Recent: map[string]map[string]bool{},
		Limits: limits(map[string]config.Limit{"deletes": w.guards.MaxDeletes, "updates": w.guards.MaxChanges, "creates": w.guards.MaxCreates})}
	for _, r := range w.query("SELECT * REPLACE (epoch_us(expires_at) AS expires_at) FROM t_decisions ORDER BY recorded_at, decision") {
		if r["expires_at"] == nil || number(r["expires_at"]) > w.at.UnixMicro() || *r["kind"] == "reject" {
			for _, effect := range decodeText[[]string](w.t, str(r["effects"])) {
				on.Words[effect] = *r["kind"]
			}
		}
	}
	for key, s := range in {
		for _, l := range s.Links {
			if l.State == "live" {
				on.Records[l.System]++
			}
		}
		for _, c := range s.Changes {
			sent := c.State == "sent" || c.State == "in_doubt" || c.State == "applied"
			if sent && c.Plan == "" && on.Words[c.Effect] != "approve" && c.AtUS > w.at.Add(-w.guards.Window).UnixMicro() {
				name := c.System + " " + merge.Want{Op: c.Op}.Kind()
				if on.Recent[name] == nil {
					on.Recent[name] = map[string]bool{}
				}
				on.Recent[name][key] = true
			}
		}
	}
	return on
}

// whole is everything that stands of a key, in a form that two sides can compare.
type whole struct {
	Golden      *merge.Golden
	Tombstone   *merge.Tombstone
	Links       []merge.Link
	Differences []merge.Difference
	Findings    []merge.Finding
	Conflicts   []merge.Conflict
	Holds       []merge.Hold
	Changes     []string
}

// judgeBoth runs the SQL and the oracle over the same tables and compares what
// then stands. It returns the first key that differs, with its story.
func (w *world) judgeBoth() error {
	w.t.Helper()
	before := w.situations()
	w.judge()
	candidates := map[string]bool{}
	for _, r := range w.query("SELECT _key FROM candidate") {
		candidates[*r["_key"]] = true
	}
	verdicts, stands, superseded := w.verdicts(before, candidates)
	w.fold()
	after := w.situations()
	conflicts := w.conflicts()
	changes := oracleChanges(before, stands, superseded)
	for _, key := range slices.Sorted(maps.Keys(after)) {
		w.compared++
		v, s := verdicts[key], after[key]
		want := whole{v.Golden, v.Tombstone, v.Links, v.Differences, v.Findings, v.Conflicts, v.Holds, changes[key]}
		got := whole{s.Golden, s.Tombstone, s.Links, s.Differences, s.Findings, conflicts[key], s.Holds, sqlChanges(s)}
		if !candidates[key] {
			got.Changes, want.Changes = nil, wanted(v, s)
			want.Links = toldAsBefore(want.Links, before[key].Links) // only who is looked at tells anything
		}
		want.Differences = withPinned(want.Differences, stands, key)
		if diff := compareWhole(want, got); diff != "" {
			return fmt.Errorf("key %s, run %d (-oracle +sql):\n%s\nsituation: %s", key, w.run, diff, story(before[key]))
		}
	}
	return nil
}

// toldAsBefore are links with the moments at which their systems last told something.
func toldAsBefore(links, before []merge.Link) []merge.Link {
	out := slices.Clone(links)
	for i, l := range out {
		at := slices.IndexFunc(before, func(b merge.Link) bool { return b.System == l.System && b.ID == l.ID })
		out[i].ToldUS = 0
		if at >= 0 {
			out[i].ToldUS = before[at].ToldUS
		}
	}
	return out
}

// wanted are the writes that nobody would have looked for: none may be new.
func wanted(v merge.Verdict, s *merge.Situation) []string {
	var out []string
	for _, want := range v.Wants {
		effect := merge.Effect(want.System, s.Key, want.Op, want.Before, want.After)
		if !slices.ContainsFunc(s.Changes, func(c merge.Change) bool { return c.Effect == effect }) {
			out = append(out, want.System+" "+string(want.Op)+" "+merge.ValuesJSON(want.After))
		}
	}
	return out
}

// withPinned adds the differences that rejected changes pin.
func withPinned(list []merge.Difference, stands []merge.Planned, key string) []merge.Difference {
	for _, p := range stands {
		if p.Key != key || p.State != "rejected" {
			continue
		}
		pin := func(field string, golden, seen *string) {
			if !slices.ContainsFunc(list, func(d merge.Difference) bool { return d.System == p.Want.System && d.Field == field }) {
				list = append(list, merge.Difference{System: p.Want.System, Field: field, Kind: "rejected", Golden: golden, Seen: seen, Reason: "rejected by a person"})
			}
		}
		if p.Want.Op != pipeline.OpUpdate {
			pin("", &p.Effect, nil)
			continue
		}
		for column, to := range p.Want.After {
			pin(column, to, p.Want.Before[column])
		}
	}
	return list
}

func compareWhole(want, got whole) string {
	byText := func(a, b any) bool { return fmt.Sprintf("%+v", a) < fmt.Sprintf("%+v", b) }
	return cmp.Diff(want, got, cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b merge.Link) bool { return byText(a, b) }),
		cmpopts.SortSlices(func(a, b merge.Difference) bool { return a.System+a.Field < b.System+b.Field }),
		cmpopts.SortSlices(func(a, b merge.Finding) bool { return byText(a, b) }),
		cmpopts.SortSlices(func(a, b merge.Conflict) bool { return a.Field+" "+a.System < b.Field+" "+b.System }),
		cmpopts.SortSlices(func(a, b merge.Hold) bool { return a.Field < b.Field }),
		cmpopts.SortSlices(func(a, b string) bool { return a < b }),
		cmp.Transformer("fields", func(f merge.Fields) map[string]string {
			out := map[string]string{}
			for name, v := range f {
				if v.State != merge.Unset {
					out[name] = string(v.State) + " " + v.Text
				}
			}
			return out
		}))
}

func (w *world) conflicts() map[string][]merge.Conflict {
	out := map[string][]merge.Conflict{}
	for _, r := range w.query("SELECT * FROM out_conflicts") {
		out[*r["_key"]] = append(out[*r["_key"]], merge.Conflict{Field: str(r["field"]), Kind: *r["kind"], System: *r["system"],
			Base: r["base"], Seen: r["seen"], Golden: r["golden"], Chosen: r["chosen"], Reason: str(r["reason"])})
	}
	return out
}

func changeText(id, system, op, record, effect, state, plan string, after pipeline.Values) string {
	return strings.Join([]string{id[:8], system, op, record, effect[:8], state, plan, merge.ValuesJSON(after)}, " ")
}

func sqlChanges(s *merge.Situation) []string {
	var out []string
	for _, c := range s.Changes {
		out = append(out, changeText(c.ID, c.System, string(c.Op), c.RecordID, c.Effect, c.State, c.Plan, c.After))
	}
	return out
}

// oracleChanges are all changes as the oracle leaves them.
func oracleChanges(in map[string]*merge.Situation, stands []merge.Planned, superseded []string) map[string][]string {
	out := map[string][]string{}
	stand := map[string]merge.Planned{}
	for _, p := range stands {
		stand[p.ID] = p
		out[p.Key] = append(out[p.Key], changeText(p.ID, p.Want.System, string(p.Want.Op), p.Want.ID, p.Effect, p.State, p.Plan, p.Want.After))
	}
	for key, s := range in {
		for _, c := range s.Changes {
			if _, ok := stand[c.ID]; ok {
				continue
			}
			state := c.State
			if slices.Contains(superseded, c.ID) {
				state = "superseded"
			}
			out[key] = append(out[key], changeText(c.ID, c.System, string(c.Op), c.RecordID, c.Effect, state, c.Plan, c.After))
		}
	}
	return out
}

// story prints a situation for people.
func story(s *merge.Situation) string {
	if s == nil {
		return "none"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n golden %+v\n tombstone %+v\n", s.Key, s.Golden, s.Tombstone)
	if s.Golden != nil {
		for name, base := range s.Golden.Bases {
			fmt.Fprintf(&b, " base %s %+v\n", name, *base)
		}
	}
	for _, r := range s.Rows {
		fmt.Fprintf(&b, " row %+v\n", r)
	}
	for _, l := range s.Links {
		fmt.Fprintf(&b, " link %+v\n", l)
	}
	for _, o := range s.Outcomes {
		fmt.Fprintf(&b, " outcome %+v after %s answer %+v\n", o, merge.ValuesJSON(o.After), o.Answer)
	}
	for _, c := range s.Changes {
		fmt.Fprintf(&b, " change %s %s %s %s %s at %d %s\n", c.ID[:8], c.System, c.Op, c.RecordID, c.State, c.AtUS, merge.ValuesJSON(c.After))
	}
	fmt.Fprintf(&b, " letters %+v differences %+v findings %+v\n holds %+v decisions %+v\n", s.Letters, s.Differences, s.Findings, s.Holds, s.Decisions)
	return b.String()
}

// TestSQLAgreesWithTheOracle drives random histories of records through both.
func TestSQLAgreesWithTheOracle(t *testing.T) {
	cases := 0
	defer func() { t.Logf("%d situations judged by both", cases) }()
	rapid.Check(t, func(rt *rapid.T) {
		g := newDrawnGame(t, rapid.Uint64().Draw(rt, "seed"), 60)
		defer func() {
			cases += g.w.compared
			g.w.end() // many at once take gigabytes
		}()
		for range rapid.IntRange(3, 6).Draw(rt, "runs") {
			g.step()
			if err := g.w.judgeBoth(); err != nil {
				rt.Fatal(err)
			}
			g.neverToAnUnknown(rt)
			g.send()
		}
	})
}

// game plays systems, extract and load around the judgement, with faults.
type game struct {
	w       *world
	rng     *rand.Rand
	keys    []string
	systems []*player
	ids     int
	calm    bool // no more edits and faults
	rare    bool // few of them

	unproven bool // no end is ever proven
	alters   bool // systems make something else of what they are sent

	journal, states, readable []string // to be stored by flush
	pages                     map[string][]observation
}

// player is one system of the game.
type player struct {
	name    string
	st      style
	records map[string]*held // by ID
	settle  time.Duration
	lose    func(fields map[string]*string) // what it does to values that it is sent
	ahead   time.Duration                   // of its clock
}

// held is a record that a system holds, and what was last shown of it.
type held struct {
	key     string
	fields  map[string]*string
	version int64
	shown   string
	last    map[string]*string // what its newest row holds
	before  map[string]*string // as it was before our last write, for pages that lag
	wrote   time.Time
	gone    bool
	told    bool // its end was shown
}

// newGame draws a project and its systems from a seed. The systems are of known styles.
func newGame(t testing.TB, seed uint64, keys int) *game {
	rng := rand.New(rand.NewPCG(seed, 1))
	return drawGame(t, rng, keys, []string{"air", "pms", "task"}[:2+rng.IntN(2)], func(name string) style { return styles[name] })
}

// newDrawnGame has two to four systems, most of which hold golden's fields in ways
// of their own, and one field more.
func newDrawnGame(t testing.TB, seed uint64, keys int) *game {
	rng := rand.New(rand.NewPCG(seed, 2))
	g := drawGame(t, rng, keys, []string{"air", "pms", "task", "web"}[:2+rng.IntN(3)], func(name string) style {
		if st, ok := styles[name]; ok && rng.IntN(3) == 0 {
			return st
		}
		return drawStyle(rng)
	}, config.EntityField{Name: "since", Type: schemas.Type{Kind: schemas.Timestamp}})
	g.alters = g.chance(50)
	return g
}

func drawGame(t testing.TB, rng *rand.Rand, keys int, names []string, styleOf func(name string) style, more ...config.EntityField) *game {
	g := &game{rng: rng, pages: map[string][]observation{}}
	for i := range keys {
		g.keys = append(g.keys, fmt.Sprintf("K%02d", i))
	}
	entity := config.Entity{Name: "bookings", Key: []string{"code"}, Fields: []config.EntityField{
		{Name: "code", Type: textType}, {Name: "guest", Type: textType}, {Name: "price", Type: priceType}, {Name: "note", Type: textType}}}
	rules := &merge.Rules{Fields: []string{"code", "guest", "price", "note"}}
	g.drawRules(&entity, rules, names)
	for _, f := range more {
		rule := g.drawRule(names)
		entity.Fields, rules.Fields, entity.Resolve.Fields[f.Name] = append(entity.Fields, f), append(rules.Fields, f.Name), rule
		rules.Units = append(rules.Units, unitOf([]string{f.Name}, rule))
	}
	rules.Deletes = []string{names[g.rng.IntN(len(names))]}
	rules.AgainstUpdate = []string{"hold", "update", "delete"}[g.rng.IntN(3)]
	rules.Recreate = g.chance(50)
	entity.Resolve.Deletes = config.DeleteRule{Authority: rules.Deletes, AgainstUpdate: rules.AgainstUpdate}
	if rules.Recreate {
		entity.Resolve.Deletes.Recreate = "create"
	}
	for _, name := range names {
		var reads []string
		scope, inScope := "", func(merge.Fields) bool { return true }
		if g.rng.IntN(2) == 0 {
			reads = []string{"guest"}
			scope, inScope = "guest <> 'cid'", func(f merge.Fields) bool { v := f.Get("guest"); return v.State == merge.Value && v.Text != "cid" }
		}
		p := &player{name: name, st: styleOf(name), records: map[string]*held{}, settle: time.Duration(g.rng.IntN(2)) * 30 * time.Minute}
		stream, system := projectStream(name, p.st, scope), oracleSystem(name, p.st, inScope)
		if p.st.versioned && g.chance(70) {
			stream.Extract.Version, system.Timed = "changed", true
		}
		p.ahead = time.Duration(g.rng.IntN(3)-1) * time.Duration(g.rng.IntN(90)) * time.Second
		if g.chance(10) {
			p.ahead = 2 * time.Hour
		}
		system.Create, system.Update, system.Delete = g.rng.IntN(4) > 0, g.rng.IntN(5) > 0, g.rng.IntN(4) > 0
		system.SettleUS, system.Checked = p.settle.Microseconds(), g.rng.IntN(3) > 0
		stream.Write.Create, stream.Write.Update, stream.Write.Delete = system.Create, system.Update, system.Delete
		stream.Write.Settle = p.settle
		system.ScopeReads, system.Leave = reads, *g.pick("keep", "delete", "hold")
		stream.Write.Leave = system.Leave
		if !system.Checked {
			stream.Write.Verify = "none"
		}
		if p.st.holds("note") && p.st.holds("price") && g.chance(60) {
			p.lose = g.loses(t, &stream, &system)
		}
		entity.Streams = append(entity.Streams, stream)
		rules.Systems = append(rules.Systems, system)
		g.systems = append(g.systems, p)
	}
	g.w = newWorld(t, entity, rules)
	g.w.guards.Window = 3 * time.Hour
	if g.rng.IntN(3) == 0 {
		g.w.guards.MaxChanges = config.Limit{AtLeast: 5 + g.rng.IntN(10)}
		g.w.guards.MaxDeletes = config.Limit{AtLeast: 1, Percent: 3}
		g.w.guards.MaxCreates = config.Limit{AtLeast: 5 + g.rng.IntN(10)}
	}
	if g.rng.IntN(3) == 0 {
		g.w.guards.Input = config.InputGuards{MaxDeletes: config.Limit{AtLeast: 1 + g.rng.IntN(4), Percent: float64(4 + g.rng.IntN(20))},
			MaxChanges: config.Limit{AtLeast: 12 + g.rng.IntN(30)}, MaxNulls: config.Limit{AtLeast: 3 + g.rng.IntN(5)}}
	}
	for i := range g.w.states {
		g.w.states[i].joined = g.rng.IntN(3) > 0
	}
	g.w.yes = g.rng.IntN(4) == 0
	return g
}
