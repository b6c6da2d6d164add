package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/validate"
)

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Try the store, the lake and every system; changes nothing", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doDoctor(cmd.Context()) }}
}

// check is one thing that doctor tried.
type check struct {
	What string   `json:"check"`
	OK   bool     `json:"ok"`
	Why  string   `json:"why,omitempty"`
	Help string   `json:"help,omitempty"`
	Told string   `json:"told,omitempty"`  // what it answered
	Note []string `json:"notes,omitempty"` // what it cannot promise
}

// examination collects what doctor finds, and prints it as it goes.
type examination struct {
	c      *cli
	checks []check
}

func (x *examination) add(k check, err error) bool {
	k.OK = err == nil
	if err != nil {
		k.Why, k.Help = x.c.secrets.Text(why(err)), x.c.secrets.Text(fault.HelpOf(err))
	}
	x.checks = append(x.checks, k)
	if !x.c.json() {
		x.print(k)
	}
	return k.OK
}

func (x *examination) print(k check) {
	if k.OK {
		x.c.say("ok      %s%s", k.What, because(k.Told))
	} else {
		x.c.say("failed  %s\n        why: %s", k.What, k.Why)
	}
	if k.Help != "" {
		x.c.say("        help: %s", k.Help)
	}
	for _, n := range k.Note {
		x.c.say("        note: %s", n)
	}
}

// end is the verdict.
func (x *examination) end() error {
	failed := 0
	for _, k := range x.checks {
		if !k.OK {
			failed++
		}
	}
	if x.c.json() {
		if err := x.c.printJSON(x.checks); err != nil {
			return err
		}
	}
	if failed == 0 {
		return nil
	}
	return fault.New(fault.Permanent, "doctor", fmt.Errorf("%d of %s failed", failed, plural(int64(len(x.checks)), "check", "checks"))).
		WithCode(fault.CodeChecksFailed).WithHelp("do what the failed checks say, then: trueup doctor").WithNote("nothing was changed")
}

// doDoctor tries one thing after the other and says what each gave.
func (c *cli) doDoctor(ctx context.Context) (err error) {
	a, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	x := &examination{c: c}
	x.add(check{What: "project file " + c.flags.project}, validate.Check(ctx, a.project))
	if x.add(check{What: "store " + a.store.URL() + " keeps its promises to 32 writers at once"}, store.Probe(ctx, a.store, "probe/")) {
		_, err := lake.Open(ctx, a.store, lakeOptions(a))
		x.add(check{What: "lake"}, err)
	}
	if err := a.connect(observe.NewFigures(), c.secrets, nil); err != nil {
		x.add(check{What: "connectors"}, err)
	}
	for _, e := range a.project.Entities {
		for _, s := range e.Streams {
			if source := a.sources[streamOf(e, s)]; source != nil && ctx.Err() == nil {
				x.stream(ctx, a, e, s, source)
			}
		}
	}
	return x.end()
}

// stream reads the first page of a stream, and keeps nothing of it.
func (x *examination) stream(ctx context.Context, a *app, e config.Entity, s config.Stream, source extract.Source) {
	k := check{What: "system " + streamOf(e, s).String() + " answers", Note: writeWarnings(a, e, s)}
	rows, dead, err := firstPage(ctx, source)
	if err == nil {
		k.Told = plural(rows, "record", "records") + " on the first page"
	}
	if dead != "" {
		k.Note = append(k.Note, "a record does not fit its declared types: "+x.c.secrets.Text(dead))
	}
	x.add(k, err)
}

// errSeen ends a read after its first page.
var errSeen = errors.New("seen")

// firstPage reads one page: how many records it has, and why the first does not
// fit that does not.
func firstPage(ctx context.Context, source extract.Source) (rows int64, dead string, err error) {
	parts, err := source.Partitions(ctx)
	if err != nil || len(parts) == 0 {
		return 0, "", err
	}
	req := pipeline.ReadRequest{Run: pipeline.RunID(newID()), RunAt: time.Now(), Mode: pipeline.Sweep, Partition: parts[0]}
	_, err = source.Read(ctx, req, func(b pipeline.Batch) error {
		if b.Rows != nil {
			rows = b.Rows.NumRows()
			b.Rows.Release()
		}
		if len(b.Dead) > 0 {
			dead = fmt.Sprintf("%s, %s: %s", b.Dead[0].ID, b.Dead[0].Field, b.Dead[0].Reason)
		}
		return errSeen
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return rows, dead, err
}
