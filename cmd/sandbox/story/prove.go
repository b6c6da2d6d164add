package story

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// prove compares all systems with the world's own truth. Only what the lake lists
// for people may differ.
func (t *teller) prove(ctx context.Context) error {
	known, err := t.known(ctx)
	if err != nil {
		return err
	}
	report := world.Verify(t.world, world.VerifyOptions{Known: known, Conflict: world.Conflicts, Decided: t.decided()})
	t.say("\nThe proof, by the truth that the simulated world keeps and trueup never sees:")
	for line := range strings.Lines(withoutKinds(report.String())) {
		for _, part := range wrap("  "+strings.TrimRight(line, "\n"), width, 12) {
			t.say("%s", part)
		}
	}
	all := names(known)
	if more := len(all) - shownKnown; more > 0 {
		all = append(all[:shownKnown:shownKnown], fmt.Sprintf("and %d more", more))
	}
	t.list("known", strings.Join(all, "; "))
	if !report.OK() {
		return fmt.Errorf("the proof does not hold: %s", plural(len(report.Problems), "problem"))
	}
	return nil
}

// withoutKinds leaves the kinds of faults to those who ask for them.
func withoutKinds(report string) string {
	return regexp.MustCompile(`( faults?) \(([^)]*)\)`).ReplaceAllStringFunc(report, func(s string) string {
		name, list, _ := strings.Cut(s, " (")
		return fmt.Sprintf("%s of %s", name, plural(strings.Count(list, ",")+1, "kind"))
	})
}

// shownKnown is how many records that differ are named.
const shownKnown = 3

// names lists the records that differ, each with why.
func names(known []world.Difference) []string {
	var out []string
	for _, d := range known {
		if name := d.Key + " " + d.Why; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// knownSQL lists what the lake says is apart: known differences, changes that
// are not done, holds, and keys with a grave finding.
const knownSQL = `SELECT entity, key, system, field, kind AS why FROM differences WHERE open
UNION SELECT entity, key, system, '*', state FROM changes WHERE state IN ('planned', 'held', 'in_doubt', 'sent', 'ready')
UNION SELECT entity, key, '', unnest(string_split(field, ',')), 'waits for decide' FROM holds WHERE state = 'open'
UNION SELECT entity, key, system, '*', kind FROM findings WHERE state = 'open' AND severity = 'high' AND key <> ''
ORDER BY ALL`

// known asks the lake for what it lists as different.
func (t *teller) known(ctx context.Context) ([]world.Difference, error) {
	var rows []struct{ Entity, Key, System, Field, Why string }
	if err := t.query(ctx, knownSQL, &rows); err != nil {
		return nil, fmt.Errorf("the known differences as the lake lists them: %w", err)
	}
	out := make([]world.Difference, len(rows))
	for i, r := range rows {
		out[i] = world.Difference{Entity: r.Entity, Key: worldKey(r.Key), Field: fieldOf(r.Entity, r.System, r.Field), Why: r.Why}
	}
	return out, nil
}

// query asks the lake, and decodes its rows.
func (t *teller) query(ctx context.Context, sql string, into any) error {
	e, err := t.trueup(ctx, "query", "--format", "json", sql)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(e.text), into)
}

// worldKey is a key as the world writes it: parts are joined by slashes.
func worldKey(key string) string {
	var parts []string
	if json.Unmarshal([]byte(key), &parts) != nil {
		return key
	}
	return strings.Join(parts, "/")
}

// fieldOf is the canonical field that a difference is about: "*" is the whole
// record, "" its presence, anything else an entity's field or a system's.
func fieldOf(entity, system, name string) string {
	switch name {
	case "*":
		return ""
	case "":
		return world.Presence
	}
	return world.FieldOf(entity, system, name)
}

// after names commands that the reader can try on what the demo left.
func (t *teller) after(context.Context) error {
	t.say("\nEverything that it knows is in %s. Try:", t.Dir)
	for _, command := range []string{
		"explain bookings " + t.late,
		"query \"SELECT system, entity, op, outcome, count(*) FROM outcomes GROUP BY ALL ORDER BY ALL\"",
		"decide",
	} {
		t.say("  %s --project %s %s", t.Name, t.project, command)
	}
	return nil
}
