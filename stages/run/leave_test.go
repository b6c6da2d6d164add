package run_test

import (
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
)

// A record that left the scope of a system is deleted there, by us. Where the answer
// to that delete is lost, it is still ours: it is no news of the system, whose deletes
// count, and no other system loses the record.
func TestOurOwnDeleteWithoutAnAnswerIsNoNews(t *testing.T) {
	h := newHouse(t, setup{edit: revised(`deletes: {authority: [pms, staybnb]}`,
		"scope: channel = 'staybnb'", "scope: channel = 'staybnb'\n          leave: delete")})
	h.both("STAYS", "LEFT", "OTHER")
	h.hourly(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("plan") }))
	h.hourly(pipeline.Incremental)

	h.edit(world.PMS, "LEFT", "channel", "direct")
	must(t, h.SetFaults(world.Fault{Kind: world.TimeoutAfter, System: world.Staybnb, Call: world.CallDelete, Nth: 1}))
	h.hourly(pipeline.Incremental)
	must(t, h.SetFaults())
	for range 3 {
		h.hourly(pipeline.Sweep)
	}
	if len(h.Find(world.PMS, "LEFT")) != 1 {
		t.Errorf("the PMS has lost it:\n%s", h.look().journalOf(" LEFT "))
	}
	if len(h.Find(world.Staybnb, "LEFT")) != 0 {
		t.Error("it is still at the channel")
	}
}
