package run_test

import (
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
)

// The environment of the crash sweep:
//
//	TRUEUP_SWEEP=full     every point (some hours), or a number of scenarios
//	TRUEUP_SWEEP=shortest every point of the shortest scenario (an hour or two)
//	TRUEUP_SWEEP_SEED=7   which points are drawn; a failure prints its own
//	TRUEUP_SWEEP_PLAN="first load: http 3 lost; a day of edits: store 17 crash, store 4 lost"
//	                      one scenario with these points, as a failure prints them
const (
	envSweep = "TRUEUP_SWEEP"
	envSeed  = "TRUEUP_SWEEP_SEED"
	envPlan  = "TRUEUP_SWEEP_PLAN"
)

// plan is what goes wrong in the lives of each step of one scenario.
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

// everyPoint lists the points of a step: each operation with each trouble.
func everyPoint(counts [2]int) []point {
	var all []point
	for kind, n := range counts {
		for i := range n {
			for _, do := range troubles() {
				all = append(all, point{http: kind == 1, n: i + 1, do: do})
			}
		}
	}
	return all
}

// fullSweep puts every point of every step into some scenario, one of each step at a time.
func fullSweep(counted map[string][2]int, r *rand.Rand) []plan {
	var all []plan
	for _, name := range slices.Sorted(maps.Keys(counted)) {
		points := everyPoint(counted[name])
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
// point somewhere in the scenario: where the fewest were picked before.
func oneOfEachKind(kinds map[string][2][]string, r *rand.Rand) plan {
	where := map[string]map[string][]point{} // by kind and step
	for name, both := range kinds {
		for kind, did := range both {
			for i, what := range did {
				if where[what] == nil {
					where[what] = map[string][]point{}
				}
				where[what][name] = append(where[what][name], point{http: kind == 1, n: i + 1})
			}
		}
	}
	picked := plan{}
	for _, what := range slices.Sorted(maps.Keys(where)) {
		name := slices.MinFunc(slices.Sorted(maps.Keys(where[what])), func(a, b string) int { return len(picked[a]) - len(picked[b]) })
		one := where[what][name][r.IntN(len(where[what][name]))]
		one.do = troubles()[r.IntN(len(troubles()))]
		picked[name] = append(picked[name], one)
	}
	return picked
}

// sampledSweep draws scenarios with one point in every step, and now and then one
// more in the process that repairs it: each kind of operation once, then any.
// Requests are few and are drawn as often as operations of the store.
func sampledSweep(counted map[string][2]int, kinds map[string][2][]string, scenarios int, r *rand.Rand) []plan {
	first := oneOfEachKind(kinds, r)
	for _, points := range first {
		scenarios = max(scenarios, len(points))
	}
	all := make([]plan, scenarios)
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

// sweep plays a scenario without faults, and then again and again with a process
// that dies before or after one of its operations, or that loses an answer. Each
// must end as the one without faults.
type sweep struct {
	t     *testing.T
	steps []step
	store func(n int) store.Store // for the n-th scenario; nil: a file store of its own
	want  ending
	count map[string][2]int
	kinds map[string][2][]string
	hits  int
}

func (s *sweep) house(n int) *house {
	o := setup{}
	if s.store != nil {
		o.store = s.store(n)
	}
	return newHouse(s.t, o)
}

// reference plays without faults.
func (s *sweep) reference() {
	h := s.house(0)
	must(s.t, h.play(h.store, s.steps, nil, nil))
	s.count, s.kinds = h.counted, h.kinds
	last := s.steps[len(s.steps)-1].name // it shows that all is well again
	delete(s.count, last)
	delete(s.kinds, last)
	end := h.look()
	if problem := h.proof(end); problem != "" {
		s.t.Fatalf("without faults: %s", problem)
	}
	s.want = end.ending
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
	problem := h.proof(end)
	if d := end.differs(s.want); d != "" {
		problem += "\nit ended differently:\n" + d
	}
	return problem
}

func (s *sweep) all(plans []plan) {
	planned := 0
	for i, p := range plans {
		for _, points := range p {
			planned += len(points)
		}
		if problem := s.scenario(i+1, p); problem != "" {
			s.t.Errorf("%s=%q\n%s", envPlan, p, problem)
		}
	}
	// A point behind the last operation of its life does not happen: lives differ
	// a little, and the one that repairs is shorter.
	if s.hits*5 < planned*4 {
		s.t.Errorf("only %d of %d points happened", s.hits, planned)
	}
	s.t.Logf("%d scenarios, %d points", len(plans), s.hits)
}

func (s *sweep) seed() *rand.Rand {
	seed := uint64(1)
	if text := os.Getenv(envSeed); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(s.t, err)
	}
	s.t.Logf("%s=%d", envSeed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// plans reads the environment.
func (s *sweep) plans(scenarios int) []plan {
	r := s.seed()
	for _, name := range slices.Sorted(maps.Keys(s.count)) {
		s.t.Logf("%s: %d operations of the store, %d requests", name, s.count[name][0], s.count[name][1])
	}
	switch text := os.Getenv(envSweep); {
	case os.Getenv(envPlan) != "":
		return []plan{parsePlan(s.t, os.Getenv(envPlan))}
	case text == "full" || text == "shortest":
		return fullSweep(s.count, r)
	case text != "":
		n, err := strconv.Atoi(text)
		must(s.t, err)
		return sampledSweep(s.count, s.kinds, n, r)
	}
	return sampledSweep(s.count, s.kinds, scenarios, r)
}

// The sample takes each kind of operation in some step, and every step in each scenario.
func TestTheSampleHoldsEachKindOfOperation(t *testing.T) {
	kinds := map[string][2][]string{
		"one": {{"put log", "get log", "put log", "list log"}, {"GET v2/bookings"}},
		"two": {{"get log", "put log", "delete data"}, {"PATCH v2/bookings", "GET v2/bookings"}},
	}
	counted := map[string][2]int{"one": {4, 1}, "two": {3, 2}}
	for seed := range uint64(50) {
		plans := sampledSweep(counted, kinds, 2, rand.New(rand.NewPCG(seed, 0)))
		hit := map[string]bool{}
		for _, p := range plans {
			for name, points := range p {
				at := 0
				if points[0].http {
					at = 1
				}
				hit[kinds[name][at][points[0].n-1]] = true
			}
			if len(p) != 2 {
				t.Errorf("seed %d: %s leaves a step out", seed, p)
			}
		}
		if len(hit) != 6 || len(plans) > 3 {
			t.Errorf("seed %d: %d scenarios hold %v", seed, len(plans), slices.Sorted(maps.Keys(hit)))
		}
	}
	for path, want := range map[string]string{"log/00000000000000000007.json": "log", "log/horizon": "log/horizon", "lease": "lease",
		"data/replica/bookings/pms/000001/01ABC": "data/replica/bookings/pms", "/api/bookings/BK-7": "api/bookings", "/v2/reservations": "v2/reservations"} {
		if got := place("get", path); got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
}

// After any crash, and after any lost answer, the scenario ends as it would have:
// the same golden records, the same contents of both systems, the same replicas,
// nothing done twice, nothing lost, and one intent for every effect.
func TestACrashAnywhereChangesNothing(t *testing.T) {
	s := &sweep{t: t, steps: scenario()}
	if os.Getenv(envSweep) == "shortest" {
		s.steps = shortestScenario()
	}
	s.reference()
	s.all(s.plans(12))
}

func TestACrashAnywhereChangesNothingOnMinIO(t *testing.T) {
	server := servers.StartMinIO(t)
	for _, v := range server.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	s := &sweep{t: t, steps: shortScenario(), store: func(n int) store.Store {
		st, err := open.Open(t.Context(), server.URL(fmt.Sprintf("scenario-%d", n)), open.Options{})
		must(t, err)
		return st
	}}
	s.reference()
	s.all(s.plans(3))
}
