package run_test

import (
	"strings"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
)

// A record that left the scope of a system is deleted there, by us. Where the answer
// to that delete is lost, it is still ours: it is no news of the system, whose deletes
// count, and no other system loses the record. The same key tells that it was done;
// without one a complete listing does.
func TestOurOwnDeleteWithoutAnAnswerIsNoNews(t *testing.T) {
	leaves := []string{"scope: channel = 'staybnb'", "scope: channel = 'staybnb'\n          leave: delete"}
	for name, edits := range map[string][]string{
		"with a key":    leaves,
		"without a key": append(leaves, "          idempotency: {header: Idempotency-Key, retention: 24h}\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, setup{edit: revised(`deletes: {authority: [pms, staybnb]}`, edits...)})
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
			journal := h.look().journalOf(" LEFT ")
			if len(h.Find(world.PMS, "LEFT")) != 1 {
				t.Errorf("the PMS has lost it:\n%s", journal)
			}
			if len(h.Find(world.Staybnb, "LEFT")) != 0 {
				t.Error("it is still at the channel")
			}
			if !strings.Contains(journal, "|applied|") {
				t.Errorf("the doubt did not end:\n%s", journal)
			}
		})
	}
}

// A delete of ours got no answer and was not done, and its repetition and every look
// are denied the record. That proves nothing: when the record shows up again it is
// deleted, and is not taken for one that was made anew, which would bring it back where
// its owner had deleted it.
func TestADeniedRecordLeavesTheDoubtAboutItsDelete(t *testing.T) {
	h := newHouse(t, setup{})
	h.both("STAYS", "GONE", "OTHER")
	h.hourly(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("plan") }))
	h.hourly(pipeline.Incremental)

	h.drop(world.PMS, "GONE")
	must(t, h.SetFaults(world.Fault{Kind: world.TimeoutBefore, System: world.Staybnb, Call: world.CallDelete, Nth: 1},
		world.Fault{Kind: world.NoAccess, System: world.Staybnb, Call: world.CallDelete, Nth: 2, Count: 99},
		world.Fault{Kind: world.NoAccess, System: world.Staybnb, Call: world.CallGet, Nth: 2, Count: 99}))
	h.hourly(pipeline.Sweep)
	h.hourly(pipeline.Incremental)
	must(t, h.SetFaults())
	for range 3 {
		h.hourly(pipeline.Sweep)
	}
	if ids := h.Find(world.PMS, "GONE"); len(ids) != 0 {
		t.Errorf("its owner has it again: %v\n%s", ids, h.look().journalOf(" GONE "))
	}
	if ids := h.Find(world.Staybnb, "GONE"); len(ids) != 0 {
		t.Errorf("it is still at the channel: %v\n%s", ids, h.look().journalOf(" GONE "))
	}
	if problem := h.proof(h.look()); problem != "" {
		t.Error(problem)
	}
}
