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
	contested, err := t.contest()
	if err != nil {
		return err
	}
	_, edits := t.told()
	t.say("\n%s  The evening: %s. Some systems list no deletes; only a sweep finds them.", t.clock(), people(edits))
	t.say("  And %s was edited in the PMS while somebody deleted it on the channel.", contested)
	if err := t.sweep(ctx); err != nil {
		return err
	}
	if there := t.world.Find(world.PMS, t.late); len(there) != 1 {
		return fmt.Errorf("the sweep did not bring %s to the PMS: it has %d of it", t.late, len(there))
	}
	t.say("  %s, which no hourly listing showed, was found and is in the PMS now.", t.late)
	return t.status(ctx)
}

// status prints what waits for a person.
func (t *teller) status(ctx context.Context) error {
	t.command("status")
	e, err := t.trueup(ctx, "status")
	if err != nil {
		return err
	}
	for _, line := range linesWith(e.text, "finding") {
		t.say("  %s", clip(line, width))
	}
	return nil
}

// sweep runs sweeps until one is complete and leaves nothing missing: only that
// proves what is gone, and the network is still bad.
func (t *teller) sweep(ctx context.Context) error {
	for range 3 {
		t.command("run", "--mode", "sweep")
		e, err := t.run(ctx, "--mode", "sweep")
		if err != nil {
			return err
		}
		for _, line := range byEntity(e.text) {
			t.say("  %s", clip(line, width))
		}
		t.list("loaded", bySystem(e.text, "loaded"))
		if !strings.Contains(e.text, "partial") && figure(e.text, "missing") == 0 {
			return nil
		}
		t.say("  Nothing is deleted because it could not be read; again:")
	}
	return errors.New("three sweeps in a row could not prove what is gone")
}

// contest edits a quiet booking in the PMS and deletes it on the channel, and
// gives its key: a difference that no rule may decide.
func (t *teller) contest() (string, error) {
	quiet := map[string]bool{}
	for _, e := range t.world.Edits() {
		quiet[e.Key] = true
	}
	for _, r := range t.world.Records(world.Staybnb) {
		key := r.Key()
		there := t.world.Find(world.PMS, r.Now().Values.Get(world.Code))
		if r.Now().State != world.Live || quiet[key] || len(there) != 1 {
			continue
		}
		if _, err := t.world.Edit(world.PMS, there[0], world.Values{"notes": world.Text("arrives at midnight, keep the room")}); err != nil {
			return "", fmt.Errorf("edit a booking: %w", err)
		}
		if _, err := t.world.Delete(world.Staybnb, r.ID); err != nil {
			return "", fmt.Errorf("delete a booking: %w", err)
		}
		return key, nil
	}
	return "", errors.New("no booking is quiet enough to be contested")
}

// calmRuns bounds how many runs it may take until one has nothing to send.
const calmRuns = 8

// calm lets the weather clear, and runs until a run sends nothing.
func (t *teller) calm(ctx context.Context) error {
	if err := t.world.SetFaults(); err != nil {
		return err
	}
	t.told()
	t.say("\nThe network is well again, and people sleep: runs until one sends nothing.")
	t.command("run")
	for range calmRuns {
		t.world.Advance(time.Hour)
		e, err := t.run(ctx)
		if err != nil {
			return err
		}
		requests, _ := t.told()
		sent := writes(requests)
		t.say("  %s  %s, %d sent", t.world.Now().Format("15:04"), figures(e.text, "read", "judged"), sent)
		if sent == 0 {
			return nil
		}
	}
	return fmt.Errorf("after %d runs in fair weather there is still something to send", calmRuns)
}
