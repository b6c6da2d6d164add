package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review/story"
)

func changeStates() []string {
	return []string{tables.ChangePlanned, tables.ChangeReady, tables.ChangeHeld, tables.ChangeSent, tables.ChangeInDoubt,
		tables.ChangeApplied, tables.ChangeFailed, tables.ChangeSuperseded, tables.ChangeRejected}
}

func unknownState(name string) error {
	return &usageError{err: fmt.Errorf("no change is ever in state %q", name),
		help: "a state is " + choice(changeStates()) + cmp.Or(prefixed("; perhaps ", config.Nearest(name, changeStates())), "")}
}

// prefixed is nothing for nothing.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// stamp renders a moment for people.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return "  (" + reason + ")"
}

func (c *cli) printChanges(changes []story.Change) {
	if len(changes) == 0 {
		c.say("no change")
		return
	}
	rows := make([][]string, len(changes))
	for i, x := range changes {
		rows[i] = []string{x.ID[:min(12, len(x.ID))], x.Entity + "@" + x.System, x.Op, x.Key, x.State, story.Difference(x.Before, x.After), cmp.Or(x.Reason, said(x.Word))}
	}
	grid(c.out, []string{"change", "stream", "op", "key", "state", "fields", "why"}, rows)
	c.say("%s", plural(int64(len(changes)), "change", "changes"))
}
