package run_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/stages/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAWholeRun(t *testing.T) {
	h := newHouse(t, setup{})
	began := time.Now()
	must(t, h.play(h.store, scenario(), func(s step, r run.Result) {
		a, b := h.hazard.counts()
		t.Log(time.Since(began), s.name, a, b)
		for _, x := range r.Extracted { t.Logf("   %+v", x) }
		for _, x := range r.Reconciled { t.Logf("   %+v", x) }
		for _, x := range r.Loaded { t.Logf("   %+v", x) }
	}))
	t.Log(world.Verify(h.World, world.VerifyOptions{Known: h.known()}))
	t.Log(h.unintended())
	t.Log(strings.Join(h.ended().Conflicts, "\n"), strings.Join(h.ended().Open, "\n"))
	t.Log(h.hazard.counts())
}
