package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/reconcile"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/run"
)

// printRun says what a run did: a line per stream and stage that did something,
// then what waits for a person, and last whether everything is well.
// sent is, of a load alone, what it sent.
func (c *cli) printRun(project *config.Project, r run.Result, stages []run.Stage, sent story.Plan, f planFlags) {
	c.say("run %s at commit %d, run_at %s", r.Run, r.Commit, stamp(r.RunAt))
	c.printStages(project, r)
	if len(sent.Counts) > 0 {
		c.say("")
		c.printCounts(sent.Counts, "outcome")
		c.printLines(sent.Lines, f, "trueup query \"from outcomes where run = '"+string(r.Run)+"'\"")
		c.say("")
		c.say("%s", c.paint(bold, sums(sent.Counts)))
	}
	took := r.Took.Round(time.Millisecond)
	needs := needsOf(r)
	if len(needs) == 0 {
		c.say("done in %s; %s", took, wellDone(stages))
		if waiting := sent.Next.Waiting; waiting > 0 {
			c.say("note: %s more wait for a person\nhelp: trueup plan", plural(waiting, "change", "changes"))
		}
		return
	}
	c.say("done in %s; something needs a person:", took)
	for _, n := range needs {
		c.say("%s %s", c.paint(yellow, "attention:"), n.What)
		if n.Why != nil {
			c.say("why: %s", c.secrets.Text(why(n.Why)))
		}
		c.say("help: %s", n.Help)
		if n.Code != "" {
			c.say("code: %s", codeHelp(n.Code))
		}
	}
	c.say("note: everything that was read or sent is stored; nothing goes to a record whose state is not known")
}

// wellDone is what is true after stages that left nothing for a person.
func wellDone(stages []run.Stage) string {
	switch {
	case len(stages) == len(run.All()):
		return "everything that was read is judged, and everything that may be sent is confirmed"
	case slices.Contains(stages, run.Extract):
		return "everything that was read is stored; next: trueup reconcile"
	case slices.Contains(stages, run.Reconcile):
		return "everything that was read is judged, and nothing was sent; next: trueup load"
	}
	return "everything that may be sent is confirmed"
}

// printStages writes a line per stream and stage, in the order of the project file.
func (c *cli) printStages(project *config.Project, r run.Result) {
	width := len("reconciled")
	place := map[string]int{}
	for _, e := range project.ParentsFirst() {
		for _, s := range e.Streams {
			name := streamOf(e, s).String()
			place[name] = len(place)
			width = max(width, len(name))
		}
	}
	byPlace := func(a, b load.Result) int { return place[a.Stream.String()] - place[b.Stream.String()] }
	slices.SortStableFunc(r.Settled, byPlace)
	slices.SortStableFunc(r.Loaded, byPlace)
	slices.SortStableFunc(r.Extracted, func(a, b extract.Result) int { return place[a.Stream.String()] - place[b.Stream.String()] })
	for _, x := range r.Settled {
		c.printLoad("settled", width, x)
	}
	for _, x := range r.Extracted {
		c.printExtract(width, x)
	}
	for _, x := range r.Reconciled {
		c.printReconcile(width, x)
	}
	for _, x := range r.Loaded {
		c.printLoad("loaded", width, x)
	}
}

// figure is a number with what it counts.
type figure struct {
	n    int64
	what string
}

// happened renders what is not zero: "9 read, 2 changed".
func happened(nothing string, figures ...figure) string {
	var parts []string
	for _, f := range figures {
		if f.n != 0 {
			parts = append(parts, count(f.n)+" "+f.what)
		}
	}
	return cmp.Or(strings.Join(parts, ", "), nothing)
}

func (c *cli) printExtract(width int, x extract.Result) {
	n := x.Counts
	c.say("extracted  %-*s  %s %s: %s", width, x.Stream, x.Mode, cmp.Or(string(x.State), "not finished"), happened("nothing read",
		figure{n.Read, "read"}, figure{n.Inserted, "new"}, figure{n.Updated, "changed"}, figure{n.Deleted, "deleted"},
		figure{n.Missing, "missing"}, figure{n.Dead, "dead letters"}))
	if x.Baseline {
		c.say("           note: the scope of %s is new; this sweep is its baseline and deleted nothing", x.Stream)
	}
	c.printWhy(x.Err, "no cursor was moved past what is stored, and nothing counts as deleted")
}

// printWhy explains what the outside did, under the line of its stream.
func (c *cli) printWhy(err error, note string) {
	if err == nil {
		return
	}
	c.say("           why: %s", c.secrets.Text(why(err)))
	c.say("           help: %s", c.secrets.Text(cmp.Or(fault.HelpOf(err), "trueup doctor, then trueup run")))
	c.say("           note: %s", c.secrets.Text(cmp.Or(fault.NoteOf(err), note)))
}

func (c *cli) printReconcile(width int, x reconcile.Result) {
	c.say("reconciled %-*s  %s", width, x.Entity, happened("nothing new", figure{x.Looked, "keys judged"},
		figure{x.Golden, "golden records written"}, figure{x.Conflicts, "sides overridden"}))
	for _, n := range x.Changes {
		c.say("           %-*s  %s %s: %s", width, n.System, n.State, n.Op, count(n.Keys))
	}
}

func (c *cli) printLoad(what string, width int, x load.Result) {
	if x.Counts == (load.Counts{}) && x.Err == nil {
		return
	}
	n := x.Counts
	c.say("%-10s %-*s  %s", what, width, x.Stream, happened("nothing sent", figure{n.Sent, "sent"}, figure{n.Applied + n.Partly, "applied"},
		figure{n.AlreadyTrue, "already true"}, figure{n.Stale, "stale"}, figure{n.Rejected + n.NotKept, "refused"}, figure{n.Lost, "unclear"},
		figure{n.Retried, "tried again"}, figure{n.InDoubt, "in doubt"}, figure{n.Held, "held"}, figure{n.Waiting, "put off"},
		figure{n.Forbidden, "not sent: rejected, or their approval is over"}))
	c.printWhy(x.Err, "what was sent has an intent in the journal; the next run goes on from there")
}

// need is something that a person should look at.
type need struct {
	What string `json:"what"`
	Help string `json:"help"`
	Code string `json:"code,omitempty"`
	Why  error  `json:"-"` // what the outside did
}

// needsOf lists why a run ends with exit code 3, the way on with each.
func needsOf(r run.Result) []need {
	var out []need
	for _, x := range r.Extracted {
		if x.State != extract.Complete {
			out = append(out, need{fmt.Sprintf("%s was not read to its end (%s)", x.Stream, x.State),
				cmp.Or(fault.HelpOf(x.Err), "trueup doctor, then trueup run"), cmp.Or(fault.CodeOf(x.Err), fault.CodePartial), x.Err})
		}
	}
	for _, x := range r.Reconciled {
		switch {
		case x.Waiting > 0 && x.Plan != "":
			out = append(out, need{fmt.Sprintf("%s of %s wait for a person", plural(x.Waiting, "change", "changes"), x.Entity),
				fmt.Sprintf("trueup plan, then: trueup approve %s   or   trueup reject %s", x.Plan, x.Plan), fault.CodePlanWaiting, nil})
		case x.Waiting > 0:
			out = append(out, need{fmt.Sprintf("%s of %s are held", plural(x.Waiting, "change", "changes"), x.Entity),
				"trueup changes --state held, then: trueup approve CHANGE   or   trueup reject CHANGE", fault.CodeChangeHeld, nil})
		}
		if x.Findings > 0 {
			out = append(out, need{fmt.Sprintf("%s of severity high in %s", plural(x.Findings, "finding", "findings"), x.Entity), "trueup status", fault.CodeFindingHigh, nil})
		}
	}
	for _, x := range append(slices.Clone(r.Settled), r.Loaded...) {
		out = append(out, loadNeeds(x)...)
	}
	if n := r.Watched.High; n > 0 {
		out = append(out, need{plural(n, "finding", "findings") + " of severity high about how runs went", "trueup findings", fault.CodeFindingHigh, nil})
	}
	if len(out) == 0 && r.Attention() {
		out = append(out, need{What: "something is not finished", Help: "trueup status"})
	}
	return out
}

func loadNeeds(x load.Result) []need {
	n := x.Counts
	var out []need
	for _, f := range []struct {
		n          int64
		what, help string
		code       string
	}{
		{n.Held, "held: nothing tells whether they were done", "trueup changes --state " + tables.ChangeHeld, fault.CodeChangeHeld},
		{n.Rejected, "refused by the system", "trueup changes --state " + tables.ChangeFailed, fault.CodeWriteRefused},
		{n.NotKept + n.Partly, "answered as done, and not kept as sent", "trueup changes --system " + x.Stream.System, fault.CodeNotKept},
		{n.InDoubt, "in doubt: the next run reads back", "trueup run", fault.CodeInDoubt},
		{n.Waiting, "put off, since the system was busy or away", "trueup run", fault.CodePutOff},
	} {
		if f.n > 0 {
			out = append(out, need{fmt.Sprintf("%s of %s %s", plural(f.n, "change", "changes"), x.Stream, f.what), f.help, f.code, x.Err})
		}
	}
	if len(out) == 0 && x.Err != nil {
		out = append(out, need{x.Stream.String() + " did not take what was sent", "trueup doctor, then trueup run", cmp.Or(fault.CodeOf(x.Err), fault.CodePutOff), x.Err})
	}
	return out
}

// runReport is a run's result for programs.
type runReport struct {
	Run          string    `json:"run"`
	Commit       uint64    `json:"commit"`
	Epoch        uint64    `json:"epoch"`
	RunAt        time.Time `json:"run_at"`
	Attention    bool      `json:"attention"`
	Needs        []need    `json:"needs"` // why attention is true
	Milliseconds int64     `json:"milliseconds"`
	run.Summary
	Reconciled []reconciled `json:"reconciled,omitempty"`
}

// reconciled is what a reconcile did to an entity.
type reconciled struct {
	Entity     string    `json:"entity"`
	Judged     int64     `json:"judged"`
	Golden     int64     `json:"golden"`
	Overridden int64     `json:"overridden"`
	Changes    []changed `json:"changes"`
	Waiting    int64     `json:"waiting"`
	Findings   int64     `json:"findings"`
	Plan       string    `json:"plan,omitempty"`
}

// changed counts changes that a reconcile made or moved.
type changed struct {
	System string `json:"system"`
	Op     string `json:"op"`
	State  string `json:"state"`
	Keys   int64  `json:"keys"`
}

func runJSON(r run.Result) runReport {
	out := runReport{Run: string(r.Run), Commit: r.Commit, Epoch: r.Epoch, RunAt: r.RunAt, Attention: r.Attention(),
		Needs: append([]need{}, needsOf(r)...), Milliseconds: r.Took.Milliseconds(), Summary: run.Summarise(r)}
	for _, x := range r.Reconciled {
		one := reconciled{Entity: x.Entity, Judged: x.Looked, Golden: x.Golden, Overridden: x.Conflicts, Changes: []changed{},
			Waiting: x.Waiting, Findings: x.Findings, Plan: x.Plan}
		for _, n := range x.Changes {
			one.Changes = append(one.Changes, changed{n.System, string(n.Op), n.State, n.Keys})
		}
		out.Reconciled = append(out.Reconciled, one)
	}
	return out
}
