package story

import (
	"context"
	"errors"
	"fmt"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// cleanup is a script of somebody's that deletes old bookings at the channel, all
// at once. It looks like an accident, so it waits for a person.
func (t *teller) cleanup(ctx context.Context) error {
	if err := t.world.SetFaults(); err != nil {
		return err
	}
	n, err := t.deleteMany(max(25, t.Records/20))
	if err != nil {
		return err
	}
	t.told()
	t.say("\n%s  A quiet network. A script at staybnb deletes %d old bookings: right, or an accident?", t.clock(), n)
	t.command("run", "--mode", "sweep")
	e, err := t.run(ctx, "--mode", "sweep")
	if err != nil {
		return err
	}
	for _, line := range matching(e.text, "are held") {
		t.say("  %s", clip(line, width))
	}
	if err := t.arrived(); err != nil {
		return err
	}
	held, err := t.held(ctx)
	if err != nil {
		return err
	}
	if held != n {
		return fmt.Errorf("%d bookings were deleted at once, and %d deletes wait for a person:\n%s", n, held, e.text)
	}
	return t.letGo(ctx, held)
}

// deleteMany deletes quiet bookings at staybnb that the PMS has too.
func (t *teller) deleteMany(n int) (int, error) {
	busy := map[string]bool{}
	for _, e := range t.world.Edits() {
		busy[e.Key] = true
	}
	deleted := 0
	for _, r := range t.world.Records(world.Staybnb) {
		if r.Now().State != world.Live || busy[r.Key()] || !t.sameStay(r) || deleted == n {
			continue
		}
		if _, err := t.world.Delete(world.Staybnb, r.ID); err != nil {
			return deleted, fmt.Errorf("delete a booking: %w", err)
		}
		deleted++
	}
	if deleted < n {
		return deleted, errors.New("there are not enough quiet bookings to delete")
	}
	return deleted, nil
}

// sameStay reports whether the PMS has a booking with the same stay: where it has
// another one, a person is asked about that first.
func (t *teller) sameStay(r world.Record) bool {
	there := t.world.Find(world.PMS, r.Key())
	if len(there) != 1 {
		return false
	}
	b, ok := t.world.Get(world.PMS, there[0])
	here := r.Now().Values
	return ok && b.Get(world.CheckIn) == here.Get(world.CheckIn) && b.Get(world.CheckOut) == here.Get(world.CheckOut)
}

// heldWhere are the deletes that wait.
const heldWhere = "op = 'delete' and state = 'held'"

// held counts them.
func (t *teller) held(ctx context.Context) (int, error) {
	var rows []struct{ N int }
	if err := t.query(ctx, "SELECT count(*) AS n FROM changes WHERE "+heldWhere, &rows); err != nil {
		return 0, err
	}
	return rows[0].N, nil
}

// letGo approves the held deletes in one decision and sends them.
func (t *teller) letGo(ctx context.Context, n int) error {
	args := []string{"approve", "--where", heldWhere, "--expect", fmt.Sprint(n), "--reason", "they asked us to", "--by", "ines"}
	t.say("$ trueup approve --where \"%s\" --expect %d --reason \"they asked us to\" && trueup load", heldWhere, n)
	e, err := t.trueup(ctx, args...)
	if err != nil {
		return err
	}
	if got := decided(e.text); got != n {
		return fmt.Errorf("%d deletes were to be approved, and %d were:\n%s", n, got, e.text)
	}
	if e, err = t.trueup(ctx, t.at("load")...); err != nil {
		return err
	}
	t.list("loaded", bySystem(e.text, "loaded"))
	return nil
}
