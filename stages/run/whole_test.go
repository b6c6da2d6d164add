package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// figures is a run in one line: what each stage did.
func figures(r run.Result) string {
	var parts []string
	for _, x := range r.Extracted {
		c := x.Counts
		parts = append(parts, fmt.Sprintf("%s %s: %d new, %d changed, %d deleted", x.Stream.System, x.State, c.Inserted, c.Updated, c.Deleted))
	}
	for _, x := range r.Loaded {
		parts = append(parts, fmt.Sprintf("%s: %d sent, %d applied", x.Stream.System, x.Counts.Sent, x.Counts.Applied))
	}
	slices.Sort(parts)
	for _, x := range r.Reconciled {
		parts = append(parts, fmt.Sprintf("%d waiting", x.Waiting))
	}
	return strings.Join(parts, "; ")
}

// A scenario through every stage, without faults: what each run did, that both
// systems agree at the end by the world's own truth, and that a run over a quiet
// world sends nothing.
func TestAWholeRun(t *testing.T) {
	h := newHouse(t, setup{})
	want := map[string]string{
		"first sweep": "pms complete: 11 new, 0 changed, 0 deleted; pms: 0 sent, 0 applied; " +
			"staybnb complete: 8 new, 0 changed, 0 deleted; staybnb: 0 sent, 0 applied; 4 waiting",
		"approval": "",
		"first load": "pms complete: 0 new, 0 changed, 0 deleted; pms: 2 sent, 2 applied; " +
			"staybnb complete: 0 new, 0 changed, 0 deleted; staybnb: 2 sent, 2 applied; 0 waiting",
		"a day of edits": "pms complete: 1 new, 2 changed, 1 deleted; pms: 2 sent, 2 applied; " +
			"staybnb complete: 1 new, 3 changed, 0 deleted; staybnb: 5 sent, 5 applied; 0 waiting",
		"a night with a silent delete": "pms complete: 0 new, 1 changed, 0 deleted; pms: 1 sent, 1 applied; " +
			"staybnb complete: 0 new, 1 changed, 1 deleted; staybnb: 1 sent, 1 applied; 0 waiting",
		"housekeeping": "",
		"another day": "pms complete: 0 new, 2 changed, 0 deleted; pms: 1 sent, 1 applied; " +
			"staybnb complete: 1 new, 0 changed, 0 deleted; staybnb: 2 sent, 2 applied; 0 waiting",
		"quiet": "pms complete: 0 new, 0 changed, 0 deleted; pms: 0 sent, 0 applied; " +
			"staybnb complete: 0 new, 0 changed, 0 deleted; staybnb: 0 sent, 0 applied; 0 waiting",
	}
	must(t, h.play(h.store, scenario(), nil, func(s step, r run.Result) {
		if got := figures(r); got != want[s.name] {
			t.Errorf("%s:\n got %s\nwant %s", s.name, got, want[s.name])
		}
	}))
	end := h.look()
	if problem := h.proof(end); problem != "" {
		t.Error(problem)
	}
	if len(end.PMS) != 13 || len(end.Staybnb) != 10 || len(end.Golden) != 15 || len(end.Open) != 0 {
		t.Errorf("%d and %d records, %d golden (two of them deleted), open changes %v", len(end.PMS), len(end.Staybnb), len(end.Golden), end.Open)
	}
	if n := len(h.Effects()); n != 16 {
		t.Errorf("%d effects", n)
	}
	before := len(h.Effects())
	if r := h.hourly(pipeline.Sweep); sent(r) != 0 || len(h.Effects()) != before || r.Attention() {
		t.Errorf("a sweep over a quiet world: %s", figures(r))
	}
}
