package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review"
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

// printPlan writes one line per change, then the counts, and last what a person can do.
func (c *cli) printPlan(changes []story.Change) {
	if len(changes) == 0 {
		c.say("nothing to send: every record agrees, or is a listed difference")
		return
	}
	streams, keys := 0, 0
	for _, x := range changes {
		streams, keys = max(streams, len([]rune(x.Entity+"@"+x.System))), max(keys, len([]rune(x.Key)))
	}
	for _, x := range changes {
		c.say("%-8s %-6s  %-*s  %-*s  %s%s%s", x.State, x.Op, streams, x.Entity+"@"+x.System, keys, x.Key,
			story.Difference(x.Before, x.After), because(x.Reason), because(said(x.Word)))
	}
	c.say("")
	counts := map[string]int64{}
	for _, x := range changes {
		counts[fmt.Sprintf("%s@%s: %s %s", x.Entity, x.System, x.State, x.Op)]++
	}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		c.say("%s  %s", k, count(counts[k]))
	}
	c.say("%s in all", plural(int64(len(changes)), "change", "changes"))
	c.planHelp(changes)
}

// planHelp says how each change goes on: by the next load, by a person, or by itself.
func (c *cli) planHelp(changes []story.Change) {
	plans, held := map[string]bool{}, ""
	load, doubt, withdrawn := false, false, false
	for _, x := range changes {
		switch {
		case x.Word != nil && x.Word.Kind == review.Reject:
			withdrawn = true
		case x.State == tables.ChangeReady, approved(x.Word):
			load = true
		case x.State == tables.ChangeInDoubt, x.State == tables.ChangeSent:
			doubt = true
		case x.Plan != "":
			plans[x.Plan] = true
		case x.State == tables.ChangeHeld && held == "":
			held = x.ID[:min(12, len(x.ID))]
		}
	}
	for _, plan := range slices.Sorted(maps.Keys(plans)) {
		c.say("help: trueup approve %s   or   trueup reject %s", plan, plan)
	}
	if held != "" {
		c.say("help: trueup approve %s   or   trueup reject %s   or several by --where", held, held)
	}
	if load {
		c.say("next: trueup load")
	}
	if withdrawn {
		c.say("note: the next run withdraws what was rejected")
	}
	if doubt {
		c.say("note: the next run reads back what is in doubt before it sends anything else to those records")
	}
}

// approved reports whether a word lets a change be sent.
func approved(w *story.Word) bool {
	return w != nil && w.Kind == review.Approve && (w.Expires == nil || w.Expires.After(time.Now()))
}

// said is what a person said of a change.
func said(w *story.Word) string {
	switch {
	case w == nil:
		return ""
	case w.Kind == review.Reject:
		return "rejected by " + w.Person
	case !approved(w):
		return "approved by " + w.Person + ", and expired at " + stamp(*w.Expires)
	}
	return "approved by " + w.Person
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
