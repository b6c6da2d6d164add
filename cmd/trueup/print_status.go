package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review/story"
)

// printStatus says where everything stands, and what to do next about it.
func (c *cli) printStatus(r statusReport) {
	c.say("project %s at commit %d", r.Project, r.Commit)
	if len(r.Runs) == 0 {
		c.say("no run yet\nnext: trueup run --mode sweep")
		return
	}
	for _, last := range r.Runs {
		c.say("last run %s: %s, %s, at %s", last.Run, last.Mode, ended(last, r.Holder), stamp(last.RunAt))
	}
	if r.Holder != "" && r.Holder != r.Runs[0].Run {
		c.say("the lease is with run %s", r.Holder)
	}
	c.say("")
	c.printStreams(r.Streams)
	c.say("")
	c.printWaiting(r.Status)
}

// ended says how a run ended. One that is called running and holds no lease is dead.
func ended(r story.RunRow, holder string) string {
	switch {
	case r.State == "attention":
		return "done, something needs a person"
	case r.State == "running" && holder != r.Run:
		return "died; the next run goes on from its last checkpoint"
	}
	return r.State
}

// printStreams writes a line per partition, and under it why one is not proven.
func (c *cli) printStreams(parts []story.Partition) {
	split := slices.ContainsFunc(parts, func(p story.Partition) bool { return p.Partition != "" })
	header := []string{"stream", "last pass", "state", "completeness", "rows", "at"}
	if split {
		header = slices.Insert(header, 1, "partition")
	}
	var rows [][]string
	var trouble []string
	for _, p := range parts {
		proof := "unproven"
		if p.Proven {
			proof = "proven (" + p.Reason + ")"
		} else if p.Reason != "" {
			name := p.Stream
			if p.Partition != "" {
				name += ", partition " + p.Partition
			}
			trouble = append(trouble, name+": "+oneLineOf(p.Reason))
		}
		row := []string{p.Stream, p.Mode, p.State, proof, count(p.Rows), stamp(p.At)}
		if split {
			row = slices.Insert(row, 1, p.Partition)
		}
		rows = append(rows, row)
	}
	grid(c.out, header, rows)
	for _, t := range trouble {
		c.say("why: %s", c.secrets.Text(t))
	}
	if len(trouble) > 0 {
		c.say("help: trueup doctor\nnote: what is not proven complete deletes nothing, and moves no cursor past what was not stored")
	}
}

// printWaiting says what is not finished, and what to do about each.
func (c *cli) printWaiting(st story.Status) {
	helps := map[string]string{
		tables.ChangePlanned: "help: trueup plan, then trueup approve or trueup reject",
		tables.ChangeHeld:    "help: trueup changes --state held, then trueup approve or trueup reject",
		tables.ChangeReady:   "next: trueup load",
		tables.ChangeSent:    "note: the next run settles them first",
		tables.ChangeInDoubt: "note: the next run settles them first",
	}
	for _, state := range slices.Sorted(maps.Keys(st.Changes)) {
		c.say("changes %s: %s", state, count(st.Changes[state]))
		c.say("%s", helps[state])
	}
	for _, f := range st.Findings {
		c.say("finding  %-4s %s  %s  %s", f.Severity, f.Kind, about(f), f.Observed)
		if f.Help != "" {
			c.say("help: %s", f.Help)
		}
	}
	if len(st.Changes) == 0 && len(st.Findings) == 0 {
		c.say("no change waits, and there is no finding")
	}
}

func (c *cli) printRuns(runs []story.RunRow, holder string) {
	if len(runs) == 0 {
		c.say("no run yet\nnext: trueup run --mode sweep")
		return
	}
	var rows [][]string
	for _, r := range runs {
		took := ""
		if r.Ended != nil {
			took = r.Ended.Sub(r.Started).Round(time.Millisecond).String()
		}
		rows = append(rows, []string{r.Run, r.Mode, ended(r, holder), stamp(r.RunAt), took})
	}
	grid(c.out, []string{"run", "mode", "state", "run_at", "took"}, rows)
}

// widest is how much of a reason is shown; --output json has all of it.
const widest = 240

// oneLineOf is text in one line that fits a few lines of a terminal.
func oneLineOf(text string) string {
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) <= widest {
		return string(runes)
	}
	return string(runes[:widest-1]) + "…"
}
