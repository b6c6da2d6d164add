package load_test

import (
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// What a system is declared to do to a value is no loss: the write is applied, also
// where the answer was lost and the record tells what became of it.
func TestADeclaredLossIsAppliedAndProvesADoubt(t *testing.T) {
	for _, what := range []stagetest.Fault{stagetest.Fine, stagetest.LostAfter} {
		for _, declared := range []bool{true, false} {
			w := newWorld(t, pipeline.ByNothing)
			w.sys.Lose = func(_, value string) string { return strings.ToUpper(value) }
			if declared {
				w.stream.Write.Lossy = map[string]config.Loss{"guest": {Case: true}}
			}
			w.sys.OnSend = func(n int) stagetest.Fault {
				if n == 1 {
					return what
				}
				return stagetest.Fine
			}
			tenure := w.Begin(t)
			w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", map[string]string{"guest": "Ana"}, map[string]string{"guest": "Zoe"}, tables.ChangeReady)
			w.load(t, tenure)
			want := "c1|applied|"
			if what == stagetest.LostAfter && !declared {
				want = "c1|held|" // ours altered, or theirs: nobody can tell
			}
			if got := w.states(t)[0]; !strings.HasPrefix(got, want) || w.sys.Get("7", "guest") != "ZOE" || len(w.sys.Effects) != 1 {
				t.Errorf("%q, declared %t: %s, %v", what, declared, got, w.sys.Effects)
			}
		}
	}
}
