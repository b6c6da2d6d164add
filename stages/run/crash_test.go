package run_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/faulty"
	"github.com/trueup-data/trueup/pipeline/store/open"
	"github.com/trueup-data/trueup/pipeline/store/storetest/servers"
	"github.com/trueup-data/trueup/stages/run"
)

// The environment of the crash sweep:
//
//	TRUEUP_SWEEP=full     every point of every tale (a day), or how often each is played
//	TRUEUP_SWEEP=shortest every point of the short tales, which reach every path (some hours)
//	TRUEUP_SWEEP_SEED=7   which points are drawn; a failure prints its own
//	TRUEUP_SWEEP_PLAN="the office | first load: http 3 lost; a day of edits: store 17 crash, store 4 lost"
//	                      one tale with these points, as a failure prints them
const (
	envSweep = "TRUEUP_SWEEP"
	envSeed  = "TRUEUP_SWEEP_SEED"
	envPlan  = "TRUEUP_SWEEP_PLAN"
)

// plan is what goes wrong in the lives of each step of one tale.
type plan map[string][]point

func (p plan) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		var points []string
		for _, one := range p[name] {
			points = append(points, one.String())
		}
		parts = append(parts, name+": "+strings.Join(points, ", "))
	}
	return strings.Join(parts, "; ")
}

func parsePlan(t *testing.T, text string) plan {
	t.Helper()
	p := plan{}
	for part := range strings.SplitSeq(text, ";") {
		name, points, _ := strings.Cut(part, ":")
		for one := range strings.SplitSeq(points, ",") {
			p[strings.TrimSpace(name)] = append(p[strings.TrimSpace(name)], parsePoint(t, one))
		}
	}
	return p
}

func parsePoint(t *testing.T, text string) point {
	t.Helper()
	words := strings.Fields(text)
	if len(words) != 3 {
		t.Fatalf("%q is no point such as \"store 17 crash\"", text)
	}
	n, err := strconv.Atoi(words[1])
	must(t, err)
	for _, do := range troubles() {
		if p := (point{http: words[0] == "http", n: n, do: do}); p.name() == words[2] {
			return p
		}
	}
	t.Fatalf("%q is no trouble", words[2])
	return point{}
}

// troubles are what may become of an operation.
func troubles() []faulty.Action {
	return []faulty.Action{faulty.Crash, faulty.CrashAfter, faulty.ErrAfter, faulty.LandsLate}
}

// everyPoint lists the points of a step: each operation with each trouble that makes
// a difference. A read that nobody waits for any more has done nothing, so that there
// is only the process that dies, and the answer that is lost.
func everyPoint(did [2][]string) []point {
	var all []point
	for kind, operations := range did {
		for i, what := range operations {
			can := troubles()
			switch name, _, _ := strings.Cut(what, " "); name {
			case "get", "open", "list", "GET":
				can = []faulty.Action{faulty.Crash, faulty.ErrAfter}
			}
			for _, do := range can {
				all = append(all, point{http: kind == 1, n: i + 1, do: do})
			}
		}
	}
	return all
}

// fullSweep puts every point of every step into some plan, one of each step at a time.
func fullSweep(kinds map[string][2][]string, r *rand.Rand) []plan {
	var all []plan
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		points := everyPoint(kinds[name])
		for i, at := range r.Perm(len(points)) {
			if i == len(all) {
				all = append(all, plan{})
			}
			all[i][name] = []point{points[at]}
		}
	}
	return all
}

// oneOfEachKind picks, for each kind of operation of the store and of request, one
// point somewhere in the tales: where the fewest were picked before.
func oneOfEachKind(tales []map[string][2][]string, r *rand.Rand) []plan {
	type place struct {
		tale int
		step string
	}
	where := map[string]map[place][]point{}
	for i, kinds := range tales {
		for name, both := range kinds {
			for kind, did := range both {
				for n, what := range did {
					if where[what] == nil {
						where[what] = map[place][]point{}
					}
					at := place{i, name}
					where[what][at] = append(where[what][at], point{http: kind == 1, n: n + 1})
				}
			}
		}
	}
	picked := make([]plan, len(tales))
	for i := range picked {
		picked[i] = plan{}
	}
	for _, what := range slices.Sorted(maps.Keys(where)) {
		places := slices.SortedFunc(maps.Keys(where[what]), func(a, b place) int {
			return cmp.Or(len(picked[a.tale][a.step])-len(picked[b.tale][b.step]), a.tale-b.tale, strings.Compare(a.step, b.step))
		})
		at := places[0]
		one := where[what][at][r.IntN(len(where[what][at]))]
		one.do = troubles()[r.IntN(len(troubles()))]
		picked[at.tale][at.step] = append(picked[at.tale][at.step], one)
	}
	return picked
}

// sampledSweep draws how a tale goes, with one point in every step, and now and
// then one more in the process that repairs it: first those that were picked, then any.
// Requests are few and are drawn as often as operations of the store.
func sampledSweep(counted map[string][2]int, first plan, times int, r *rand.Rand) []plan {
	for _, points := range first {
		times = max(times, len(points))
	}
	all := make([]plan, times)
	for i := range all {
		all[i] = plan{}
		for _, name := range slices.Sorted(maps.Keys(counted)) {
			if i < len(first[name]) {
				all[i][name] = []point{first[name][i]}
				continue
			}
			all[i][name] = []point{draw(counted[name], r)}
			if r.IntN(4) == 0 {
				all[i][name] = append(all[i][name], draw(counted[name], r))
			}
		}
	}
	return all
}

func draw(counts [2]int, r *rand.Rand) point {
	kind := 0
	if counts[1] > 0 {
		kind = r.IntN(2)
	}
	return point{http: kind == 1, n: 1 + r.IntN(counts[kind]), do: troubles()[r.IntN(len(troubles()))]}
}

// sweep plays a tale without faults, and then again and again with a process
// that dies before or after one of its operations, or that loses an answer. Each
// must end as the one without faults.
type sweep struct {
	t *testing.T
	tale
	store func(n int) store.Store // for the n-th time; nil: a file store of its own
	want  ending
	count map[string][2]int
	kinds map[string][2][]string
	paths map[string]bool // that the one without faults reached

	times, planned, hits int
}

func (s *sweep) house(n int) *house {
	o := setup{edit: s.edit}
	if s.store != nil {
		o.store = s.store(n)
	}
	return newHouse(s.t, o)
}

// reference plays without faults.
func (s *sweep) reference() {
	h := s.house(0)
	s.paths = map[string]bool{}
	must(s.t, h.play(h.store, s.steps, nil, func(step, run.Result) { h.reached(s.paths) }))
	s.count, s.kinds = h.counted, h.kinds
	last := s.steps[len(s.steps)-1].name // it shows that all is well again
	delete(s.count, last)
	delete(s.kinds, last)
	h.quiet(3) // a tale that is cut short ends on its way
	end := h.look()
	if problem := s.proves(h, end); problem != "" {
		s.t.Fatalf("%s without faults: %s", s.name, problem)
	}
	s.want = end.ending
	for _, step := range slices.Sorted(maps.Keys(s.count)) {
		s.t.Logf("%s | %s: %d operations of the store, %d requests", s.name, step, s.count[step][0], s.count[step][1])
	}
}

// scenario plays with faults, and says what is wrong with its end.
func (s *sweep) scenario(n int, p plan) string {
	h := s.house(n)
	if err := h.play(h.store, s.steps, p, nil); err != nil {
		return err.Error()
	}
	s.hits += h.hazard.struck()
	h.quiet(3)
	end := h.look()
	problem := s.proves(h, end)
	if d := end.differs(s.want); d != "" {
		problem += "\nit ended differently:\n" + d + end.journalOf(d)
	}
	return problem
}

// play plays one plan, and says where it ended differently.
func (s *sweep) play(n int, p plan) {
	for _, points := range p {
		s.planned += len(points)
	}
	s.times++
	if problem := s.scenario(n, p); problem != "" {
		s.t.Errorf("%s=%q\n%s", envPlan, s.name+" | "+p.String(), problem)
	}
	if s.times%25 == 0 {
		s.t.Logf("%s: played %d times, %d points", s.name, s.times, s.hits)
	}
}

// conclude says how much was tried. A point behind the last operation of its life does
// not happen: lives differ a little, and the one that repairs is shorter.
func (s *sweep) conclude() {
	if s.hits*5 < s.planned*4 {
		s.t.Errorf("%s: only %d of %d points happened", s.name, s.hits, s.planned)
	}
	s.t.Logf("%s: played %d times, %d points", s.name, s.times, s.hits)
}

func seed(t *testing.T) *rand.Rand {
	n := number(t, envSeed, 1)
	t.Logf("%s=%d", envSeed, n)
	return rand.New(rand.NewPCG(n, 0))
}

// sweepAll reads the environment, and plays each tale so often, and as often as it
// takes to have each kind of operation once. Every path of the closed list must be
// in them where they are all there is.
func sweepAll(t *testing.T, sweeps []*sweep, times int, whole bool) {
	r := seed(t)
	only, text, one := strings.Cut(os.Getenv(envPlan), " | ")
	if one {
		sweeps = slices.DeleteFunc(sweeps, func(s *sweep) bool { return s.name != only })
	}
	var kinds []map[string][2][]string
	by := map[string][]string{}
	for _, s := range sweeps {
		s.reference()
		kinds = append(kinds, s.kinds)
		for name := range s.paths {
			by[name] = append(by[name], s.name)
		}
	}
	if whole && !one {
		everyPath(t, by)
	}
	mode := os.Getenv(envSweep)
	if n, err := strconv.Atoi(mode); err == nil {
		times = n
	} else if mode != "" && mode != "full" && mode != "shortest" {
		t.Fatalf("%s=%q is neither full nor shortest nor a number", envSweep, mode)
	}
	first := oneOfEachKind(kinds, r)
	plans, most := make([][]plan, len(sweeps)), 0
	for i, s := range sweeps {
		switch {
		case one:
			plans[i] = []plan{parsePlan(t, text)}
		case mode == "full" || mode == "shortest":
			plans[i] = fullSweep(s.kinds, r)
		default:
			plans[i] = sampledSweep(s.count, first[i], times, r)
		}
		most = max(most, len(plans[i]))
	}
	t.Logf("%s", counts(sweeps, plans))
	for n := range most { // in turn, so that what is cut short has tried all of them
		for i, s := range sweeps {
			if n < len(plans[i]) {
				s.play(n+1, plans[i][n])
			}
		}
	}
	points := 0
	for _, s := range sweeps {
		s.conclude()
		points += s.hits
	}
	t.Logf("%d tales, %d points", len(sweeps), points)
}

// counts says how much is to be tried.
func counts(sweeps []*sweep, plans [][]plan) string {
	var parts []string
	for i, s := range sweeps {
		points := 0
		for _, p := range plans[i] {
			for _, of := range p {
				points += len(of)
			}
		}
		parts = append(parts, fmt.Sprintf("%s: %d times, %d points", s.name, len(plans[i]), points))
	}
	return "planned: " + strings.Join(parts, "; ")
}

// The sample takes each kind of operation in some step, and every step each time.
func TestTheSampleHoldsEachKindOfOperation(t *testing.T) {
	kinds := []map[string][2][]string{
		{"one": {{"put log", "get log", "put log", "list log"}, {"GET v2/bookings"}}},
		{"one": {{"get log"}, {}}, "two": {{"get log", "put log", "delete data"}, {"PATCH v2/bookings", "GET v2/bookings"}}},
	}
	counted := []map[string][2]int{{"one": {4, 1}}, {"one": {1, 0}, "two": {3, 2}}}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		first := oneOfEachKind(kinds, r)
		hit, played := map[string]bool{}, 0
		for i := range kinds {
			for _, p := range sampledSweep(counted[i], first[i], 1, r) {
				played++
				for name, points := range p {
					at := 0
					if points[0].http {
						at = 1
					}
					hit[kinds[i][name][at][points[0].n-1]] = true
				}
				if len(p) != len(counted[i]) {
					t.Errorf("seed %d: %s leaves a step out", seed, p)
				}
			}
		}
		if len(hit) != 6 || played > 6 {
			t.Errorf("seed %d: %d times hold %v", seed, played, slices.Sorted(maps.Keys(hit)))
		}
	}
	for path, want := range map[string]string{"log/00000000000000000007.json": "log", "log/horizon": "log/horizon", "lease": "lease",
		"data/replica/bookings/pms/000001/01ABC": "data/replica/bookings/pms", "/api/bookings/BK-7": "api/bookings", "/v2/reservations": "v2/reservations"} {
		if got := place("get", path); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
}

// After any crash, and after any lost answer, a tale ends as it would have: the
// same golden records, holds, decisions and differences, the same contents of both
// systems, the same replicas, the same effects, nothing done twice, nothing lost, and
// one intent for every effect.
func TestACrashAnywhereChangesNothing(t *testing.T) {
	told := tales()
	if os.Getenv(envSweep) == "shortest" {
		told = shortTales()
	}
	var sweeps []*sweep
	for _, one := range told {
		sweeps = append(sweeps, &sweep{t: t, tale: one})
	}
	sweepAll(t, sweeps, 6, true)
}

func TestACrashAnywhereChangesNothingOnMinIO(t *testing.T) {
	server := servers.StartMinIO(t)
	for _, v := range server.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	s := &sweep{t: t, tale: tale{name: "the office until noon", steps: shortScenario()}, store: func(n int) store.Store {
		st, err := open.Open(t.Context(), server.URL(fmt.Sprintf("scenario-%d", n)), open.Options{})
		must(t, err)
		return st
	}}
	sweepAll(t, []*sweep{s}, 3, false)
}
