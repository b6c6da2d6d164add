package main

import (
	"time"

	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/reconcile"
	"github.com/trueup-data/trueup/stages/run"
)

// printRun says what a run did: a line per stream and stage that did something,
// what waits for a person, and last whether everything is well.
func (c *cli) printRun(r run.Result) {
	c.say("run %s at commit %d, run_at %s", r.Run, r.Commit, r.RunAt.Format(time.RFC3339))
	for _, x := range r.Settled {
		if x.Counts != (load.Counts{}) || x.Err != nil {
			c.printLoad("settled", x)
		}
	}
	for _, x := range r.Extracted {
		c.printExtract(x)
	}
	for _, x := range r.Reconciled {
		c.printReconcile(x)
	}
	for _, x := range r.Loaded {
		if x.Counts != (load.Counts{}) || x.Err != nil {
			c.printLoad("loaded", x)
		}
	}
	if r.Attention() {
		c.say("done in %s; something needs a person\nhelp: trueup status", r.Took.Round(time.Millisecond))
		return
	}
	c.say("done in %s; everything that was read is judged, and everything that may be sent is confirmed", r.Took.Round(time.Millisecond))
}

func (c *cli) printExtract(x extract.Result) {
	n := x.Counts
	c.say("extracted  %-20s %s %s: %s read, %s new, %s changed, %s deleted, %s missing, %s dead letters", x.Stream, x.Mode, x.State,
		count(n.Read), count(n.Inserted), count(n.Updated), count(n.Deleted), count(n.Missing), count(n.Dead))
	if x.Baseline {
		c.say("note: the scope of %s is new; this sweep is its baseline and deleted nothing", x.Stream)
	}
	if x.Err != nil {
		c.say("why: %s", c.secrets.Text(x.Err.Error()))
	}
}

func (c *cli) printReconcile(x reconcile.Result) {
	c.say("reconciled %-20s %s keys judged, %s golden records written, %s sides overridden", x.Entity, count(x.Looked), count(x.Golden), count(x.Conflicts))
	for _, n := range x.Changes {
		c.say("           %-20s %s %s: %s", n.System, n.State, n.Op, count(n.Keys))
	}
	if x.Plan != "" {
		c.say("help: trueup plan, then: trueup approve %s   or   trueup reject %s", x.Plan, x.Plan)
	}
	if x.Findings > 0 {
		c.say("findings of severity high: %s\nhelp: trueup status", count(x.Findings))
	}
}

func (c *cli) printLoad(what string, x load.Result) {
	n := x.Counts
	c.say("%-10s %-20s %s sent, %s applied, %s already true, %s stale, %s refused, %s unclear, %s tried again, %s in doubt, %s put off", what, x.Stream,
		count(n.Sent), count(n.Applied+n.Partly), count(n.AlreadyTrue), count(n.Stale), count(n.Rejected+n.NotKept), count(n.Lost), count(n.Retried), count(n.InDoubt), count(n.Waiting))
	if n.Held > 0 {
		c.say("held: %s; nothing tells whether they were done\nhelp: trueup changes --state %s", count(n.Held), tables.ChangeHeld)
	}
	if x.Err != nil {
		c.say("why: %s", c.secrets.Text(x.Err.Error()))
	}
}

// runReport is a run's result for programs.
type runReport struct {
	Run          string    `json:"run"`
	Commit       uint64    `json:"commit"`
	Epoch        uint64    `json:"epoch"`
	RunAt        time.Time `json:"run_at"`
	Attention    bool      `json:"attention"`
	Milliseconds int64     `json:"milliseconds"`
	run.Summary
	Reconciled []reconcile.Result `json:"reconciled,omitempty"`
}

func runJSON(r run.Result) runReport {
	return runReport{Run: string(r.Run), Commit: r.Commit, Epoch: r.Epoch, RunAt: r.RunAt, Attention: r.Attention(),
		Milliseconds: r.Took.Milliseconds(), Summary: run.Summarise(r), Reconciled: r.Reconciled}
}
