package story

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// storm shows the finding that an outage became: observed, expected, the query that
// shows it, and what to do.
func (t *teller) storm(ctx context.Context) error {
	var rows []struct{ Finding string }
	if err := t.query(ctx, "SELECT left(finding, 8) AS finding FROM findings WHERE kind = 'retry_storm' AND state = 'open' AND system = '"+world.Deskline+"'", &rows); err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("the outage of %s is %d findings of a retry storm, and not one", world.Deskline, len(rows))
	}
	t.command("findings", rows[0].Finding)
	e, err := t.trueup(ctx, "findings", rows[0].Finding)
	if err != nil {
		return err
	}
	for line := range strings.Lines(e.text) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "was seen from") {
			t.say("  %s", clip(line, width))
		}
	}
	return nil
}

// conflict is a booking of which two systems say different stays.
type conflict struct {
	key  string
	pms  string // its ID there
	stay world.Values
}

// move gives a quiet booking one stay in the PMS and another on the channel.
func (t *teller) move() error {
	r, pms, err := t.quiet()
	if err != nil {
		return err
	}
	if _, err := t.world.Edit(world.PMS, pms, world.Values{world.CheckIn: world.Text("2026-05-02"), world.CheckOut: world.Text("2026-05-05")}); err != nil {
		return fmt.Errorf("edit a booking: %w", err)
	}
	t.moved = conflict{key: r.Key(), pms: pms, stay: world.Values{world.CheckIn: world.Text("2026-05-09"), world.CheckOut: world.Text("2026-05-16")}}
	if _, err := t.world.Edit(world.Staybnb, r.ID, t.moved.stay); err != nil {
		return fmt.Errorf("edit a booking: %w", err)
	}
	return nil
}

// quiet is a booking of staybnb that nobody edited, and its ID in the PMS.
func (t *teller) quiet() (world.Record, string, error) {
	busy := map[string]bool{}
	for _, e := range t.world.Edits() {
		busy[e.Key] = true
	}
	for _, r := range t.world.Records(world.Staybnb) {
		there := t.world.Find(world.PMS, r.Now().Values.Get(world.Code))
		if r.Now().State == world.Live && !busy[r.Key()] && len(there) == 1 {
			return r, there[0], nil
		}
	}
	return world.Record{}, "", errors.New("no booking is quiet enough for two people to move it")
}

// decide shows the stay that waits for a person, and decides it.
func (t *teller) decide(ctx context.Context) error {
	var rows []struct{ Hold string }
	if err := t.query(ctx, "SELECT left(hold, 8) AS hold FROM holds WHERE state = 'open' AND key = '"+t.moved.key+"'", &rows); err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("two stays of %s are %d holds, and not one", t.moved.key, len(rows))
	}
	t.say("  %s got one stay in the PMS and another on the channel. The rule of these fields is hold: a person decides.", t.moved.key)
	t.command("decide")
	e, err := t.trueup(ctx, "decide")
	if err != nil {
		return err
	}
	for _, line := range holdIn(e.text, t.moved.key) {
		t.say("  %s", clip(line, width))
	}
	var others []struct{ N int }
	if err := t.query(ctx, "SELECT count(DISTINCT key) AS n FROM holds WHERE state = 'open' AND key <> '"+t.moved.key+"'", &others); err != nil {
		return err
	}
	if len(others) == 1 && others[0].N > 0 {
		t.say("  ... and %s whose stays differed before the first run.", plural(others[0].N, "booking"))
	}
	t.say("$ trueup decide %s --take staybnb --reason \"the guest says so\"", rows[0].Hold)
	_, err = t.trueup(ctx, "decide", rows[0].Hold, "--take", world.Staybnb, "--reason", "the guest says so", "--by", "ines")
	return err
}

// holdIn is what a listing of holds says of one record.
func holdIn(text, key string) []string {
	var out []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, " ") {
			inside = strings.Contains(line, " "+key+": ")
		}
		if inside {
			out = append(out, line)
		}
	}
	return out
}

// arrived says that what was decided is in both systems, or that it is not.
func (t *teller) arrived() error {
	b, ok := t.world.Get(world.PMS, t.moved.pms)
	if !ok || b.Get(world.CheckIn) != *t.moved.stay[world.CheckIn] || b.Get(world.CheckOut) != *t.moved.stay[world.CheckOut] {
		return fmt.Errorf("the stay that was decided for %s is not in the PMS: it has %v", t.moved.key, b)
	}
	t.say("  %s, which was decided, is from %s to %s in the PMS too.", t.moved.key, b.Get(world.CheckIn), b.Get(world.CheckOut))
	return nil
}

// decided is what the proof has to know of it; that the chosen stay arrived is
// checked by itself.
func (t *teller) decided() []world.Difference {
	var out []world.Difference
	for field := range t.moved.stay {
		out = append(out, world.Difference{Entity: world.Bookings, Key: t.moved.key, Field: field})
	}
	return out
}
