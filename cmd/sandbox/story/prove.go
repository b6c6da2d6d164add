package story

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// prove compares both systems with the world's own truth. Only what the lake
// lists for people may differ.
func (t *teller) prove(ctx context.Context) error {
	known, err := t.known(ctx)
	if err != nil {
		return err
	}
	report := world.Verify(t.world, world.VerifyOptions{Known: known})
	t.say("\nThe proof, by the truth that the simulated world keeps and trueup never sees:")
	for line := range strings.Lines(report.String()) {
		for _, part := range wrap("  "+strings.TrimRight(line, "\n"), width, 12) {
			t.say("%s", part)
		}
	}
	for _, d := range known {
		t.say("  known: %s %s", d.Key, cmp.Or(d.Field, "waits for a person"))
	}
	if !report.OK() {
		return fmt.Errorf("the proof does not hold: %s", plural(len(report.Problems), "problem"))
	}
	return nil
}

// knownSQL lists what the lake says is apart: known differences, changes that
// are not done, and keys with a grave finding.
const knownSQL = `SELECT key, system, field FROM differences WHERE open
UNION SELECT _key, system, '*' FROM changes_bookings WHERE state IN ('planned', 'held', 'in_doubt', 'sent', 'ready')
UNION SELECT key, system, '*' FROM findings WHERE state = 'open' AND severity = 'high' AND key <> ''
ORDER BY ALL`

// known asks the lake for what it lists as different.
func (t *teller) known(ctx context.Context) ([]world.Difference, error) {
	e, err := t.trueup(ctx, "query", "--format", "json", knownSQL)
	if err != nil {
		return nil, err
	}
	var rows []struct{ Key, System, Field string }
	if err := json.Unmarshal([]byte(e.text), &rows); err != nil {
		return nil, fmt.Errorf("the known differences as the lake lists them: %w", err)
	}
	out := make([]world.Difference, len(rows))
	for i, r := range rows {
		out[i] = world.Difference{Key: r.Key, Field: fieldOf(r.Field)}
	}
	return out, nil
}

// fieldOf is the canonical field that a difference is about: "*" is the whole
// record, "" its presence, anything else an entity's field or a stream's column.
func fieldOf(name string) string {
	switch name {
	case "*":
		return ""
	case "":
		return world.Presence
	}
	if canonical, ok := map[string]string{"confirmation_code": "code", "listing_ref": "listing_id", "arrival": "check_in", "departure": "check_out",
		"guest": "guest_name", "guest.name": "guest_name", "total_cents": "price", "state": "status", "note": "notes"}[name]; ok {
		return canonical
	}
	return name
}

// after names commands that the reader can try on what the demo left.
func (t *teller) after(context.Context) error {
	t.say("\nEverything that it knows is in %s. Try:", t.Dir)
	for _, command := range []string{
		"explain bookings " + t.hero,
		"query \"SELECT system, op, outcome, count(*) FROM journal WHERE kind <> 'intent' GROUP BY ALL ORDER BY ALL\"",
		"query \"SELECT _key, field, system, seen, golden, reason FROM conflicts_bookings ORDER BY recorded_at DESC LIMIT 10\"",
		"runs",
		"status",
	} {
		t.say("  %s --project %s %s", t.Name, t.project, command)
	}
	return nil
}
