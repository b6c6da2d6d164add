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
	_, edits := t.told()
	t.say("\n%s  The evening left %s. The channel never tells of deletes: only a sweep shows them.", t.clock(), people(edits))
	for try := 1; ; try++ {
		t.command("run", "--mode", "sweep")
		e, err := t.run(ctx, "--mode", "sweep")
		if err != nil {
			return err
		}
		for _, line := range linesWith(e.text, "extracted", "reconciled", "loaded", "why") {
			if short := withoutZeros(line); short != "" {
				t.say("  %s", clip(short, 110))
			}
		}
		if !strings.Contains(e.text, "partial") {
			return nil
		}
		if try == 3 {
			return errors.New("three sweeps in a row could not be completed")
		}
		t.say("  a sweep that is not complete proves nothing; again")
	}
}

// calmRuns bounds how many runs it may take until one has nothing to send.
const calmRuns = 8

// calm lets the weather clear, and runs until a run sends nothing.
func (t *teller) calm(ctx context.Context) error {
	if err := t.world.SetFaults(); err != nil {
		return err
	}
	t.told()
	t.say("\nThe network is well again, and people sleep. Runs until one sends nothing:")
	for range calmRuns {
		t.world.Advance(time.Hour)
		e, err := t.run(ctx)
		if err != nil {
			return err
		}
		requests, _ := t.told()
		t.say("  %s  $ trueup run   %s", t.clock(), figures(e.text, "read", "sent", "already true", "stale", "refused"))
		if writes(requests) == 0 {
			return nil
		}
	}
	return fmt.Errorf("after %d runs in fair weather there is still something to send", calmRuns)
}
