package run_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
)

// What a run did is in the lake as figures, by stream, by system and by field,
// also what did not happen, and also of a system that could not be read.
func TestARunLeavesItsFigures(t *testing.T) {
	var away atomic.Bool
	h := newHouse(t, setup{world: world.Options{Seed: 1, Records: 20}, front: func(system string, api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if system == world.Staybnb && away.Load() {
				http.Error(w, "not now", http.StatusNotFound)
				return
			}
			api.ServeHTTP(w, r)
		})
	}})
	read := map[string]int64{}
	for _, x := range h.hourly(pipeline.Sweep).Extracted {
		read[x.Stream.System] = x.Counts.Inserted
	}
	if read[world.PMS] == 0 || read[world.Staybnb] == 0 {
		t.Fatalf("the first sweep read nothing: %v", read)
	}
	away.Store(true)
	h.hourly(pipeline.Incremental)
	must(t, h.life(func(p *process) error {
		for what, want := range map[string]string{
			"name = 'extract.inserted'":                                        fmt.Sprintf("run-001 pms %d.0; run-001 staybnb %d.0; run-002 pms 0.0; run-002 staybnb 0.0", read[world.PMS], read[world.Staybnb]),
			"name = 'extract.state'":                                           "run-001 pms 0.0; run-001 staybnb 0.0; run-002 pms 0.0; run-002 staybnb 2.0",
			"name = 'extract.baseline'":                                        "run-001 pms 1.0; run-001 staybnb 1.0; run-002 pms 0.0; run-002 staybnb 0.0",
			"name = 'extract.missing_now'":                                     "run-001 pms 0.0; run-001 staybnb 0.0",
			"name = 'reconcile.conflicts' AND run = 'run-002'":                 "run-002  0.0",
			"name = 'field.nulls' AND field = 'guest_name' AND system = 'pms'": "run-001 pms 0.0",
		} {
			got := strings.Join(p.query("SELECT concat_ws(' ', run, system, value) FROM metrics WHERE "+what+" ORDER BY 1"), "; ")
			if got != want {
				t.Errorf("%s: %q, not %q", what, got, want)
			}
		}
		return nil
	}))
}
