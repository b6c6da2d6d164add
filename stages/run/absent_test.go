package run_test

import (
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
)

// A system that denies a record right before it is written to, as one that took
// our access away would, has proven nothing: no other system loses the record,
// and what was to be sent is sent once it can be seen again.
func TestADeniedRecordIsNotDeletedElsewhere(t *testing.T) {
	h := newHouse(t, setup{world: world.Options{Seed: 5, Records: 12}})
	h.hourly(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("decision-1") }))
	h.hourly(pipeline.Incremental)

	name := "Zoé, who answers"
	_, err := h.Edit(world.Staybnb, h.Records(world.Staybnb)[2].ID, world.Values{world.GuestName: &name})
	must(t, err)
	must(t, h.SetFaults(world.Fault{Kind: world.NoAccess, System: world.PMS, Call: world.CallGet, Rate: 1}))
	denied := h.hourly(pipeline.Incremental)
	if n := sent(denied); n != 0 {
		t.Errorf("%d writes were sent to a record that could not be read", n)
	}
	h.hourly(pipeline.Incremental)
	must(t, h.SetFaults())
	h.Advance(time.Hour)
	h.hourly(pipeline.Sweep)
	end := h.look()
	if problem := h.proof(end); problem != "" {
		t.Error(problem)
	}
	for _, e := range h.Effects() {
		if e.Op == world.Delete {
			t.Errorf("%s %s deleted %s", e.Method, e.Path, e.Key)
		}
	}
	if len(end.known) > 0 {
		t.Errorf("still apart: %v", end.known)
	}
}
