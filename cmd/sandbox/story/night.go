package story

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// night lets people delete bookings in the evening, and sweeps at two.
func (t *teller) night(ctx context.Context) error {
	if _, err := t.world.Live(6*time.Hour, 12, world.Mix{Authority: 4, Delete: 8}); err != nil {
		return fmt.Errorf("let people work: %w", err)
	}
	if err := t.move(); err != nil {
		return err
	}
	_, edits := t.told()
	t.say("\n%s  The evening: %s. Some systems list no deletes; only a sweep finds them.", t.clock(), people(edits))
	if err := t.sweep(ctx); err != nil {
		return err
	}
	if there := t.world.Find(world.PMS, t.late); len(there) != 1 {
		return fmt.Errorf("the sweep did not bring %s to the PMS: it has %d of it", t.late, len(there))
	}
	t.say("  %s, which no hourly listing showed, was found and is in the PMS now.", t.late)
	return t.decide(ctx)
}

// sweep runs sweeps until one is complete and leaves nothing missing: only that
// proves what is gone, and the network is bad until one was not enough.
func (t *teller) sweep(ctx context.Context) error {
	t.command("run", "--mode", "sweep")
	for range 3 {
		e, err := t.run(ctx, "--mode", "sweep")
		if err != nil {
			return err
		}
		if !strings.Contains(e.text, "partial") && figure(e.text, "missing") == 0 {
			t.list("read", bySystem(e.text, "extracted"))
			t.list("loaded", bySystem(e.text, "loaded"))
			return nil
		}
		t.say("  %s. Not everything could be read, and what was not is not deleted.", figures(e.text, "read", "deleted", "sent"))
		t.say("  The network calms down; again:")
		if err := t.world.SetFaults(); err != nil {
			return err
		}
	}
	return errors.New("three sweeps in a row could not prove what is gone")
}

// calmRuns bounds how many runs it may take until one has nothing to send.
const calmRuns = 8

// calm lets the weather clear, and runs until a run sends nothing.
func (t *teller) calm(ctx context.Context) error {
	t.told()
	for range calmRuns {
		t.world.Advance(time.Hour)
		e, err := t.run(ctx)
		if err != nil {
			return err
		}
		requests, _ := t.told()
		sent := writes(requests)
		t.say("%s  People sleep, and there is an hourly run: %s, %d sent", t.clock(), figures(e.text, "read", "judged"), sent)
		if sent == 0 {
			return nil
		}
	}
	return fmt.Errorf("after %d runs in fair weather there is still something to send", calmRuns)
}
