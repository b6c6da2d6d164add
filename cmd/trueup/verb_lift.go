package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// lift lets what quarantined streams had said when they were last looked at be
// judged. What they say later counts anew.
func (c *cli) lift(ctx context.Context, a *app, kind string, args []string, f decideFlags, chosen []story.Finding) error {
	switch {
	case kind != review.Approve:
		return &usageError{err: errors.New("a quarantine cannot be rejected: while nobody approves it, nothing of it is judged"), help: "mend the records in the system itself"}
	case len(chosen) != len(args) || f.where != "" || f.expect >= 0:
		return &usageError{err: errors.New("a quarantine is approved by itself, without plans, changes, --where or --expect"), help: "trueup approve FINDING"}
	}
	person, err := personOf(f.by)
	if err != nil {
		return err
	}
	for _, q := range chosen {
		shown, err := json.Marshal(q)
		if err != nil {
			return err
		}
		d := review.Decision{ID: newID(), Kind: review.Approve, Target: q.Finding, Effects: []string{q.Effect()},
			Shown: string(shown), Person: person, Reason: f.reason, At: time.Now()}
		if err := review.Decide(ctx, review.Deps{Lake: a.lake, Engine: a.engine, Writer: a.writerAt}, d); err != nil {
			return err
		}
	}
	if c.json() {
		return c.printJSON(map[string]any{"decision": kind, "by": person, "quarantines": chosen})
	}
	for _, q := range chosen {
		c.say("approved what %s@%s said: %s; by %s", q.Entity, q.System, q.Observed, person)
	}
	c.say("next: trueup run")
	return nil
}
