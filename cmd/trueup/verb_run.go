package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/run"
)

// runFlags are the options of the verbs that do stages of a run.
type runFlags struct {
	mode     string
	entities []string
	systems  []string
	runAt    string
	yes      bool
	show     planFlags // of load
}

func (f *runFlags) bind(cmd *cobra.Command, withMode bool) {
	if withMode {
		cmd.Flags().StringVar(&f.mode, "mode", string(pipeline.Incremental), "incremental or sweep")
	}
	cmd.Flags().StringSliceVar(&f.entities, "entity", nil, "only these entities")
	cmd.Flags().StringSliceVar(&f.systems, "system", nil, "only these systems")
	cmd.Flags().StringVar(&f.runAt, "run-at", "", "the run's clock (RFC 3339); default now, never before the last run's")
}

func (c *cli) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "run", Short: "Extract, reconcile, load and watch, once", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doRun(cmd.Context(), f, run.All()) }}
	f.bind(cmd, true)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "approve a first plan")
	return cmd
}

func (c *cli) extractCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "extract", Short: "Read what changed in the systems", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doRun(cmd.Context(), f, []run.Stage{run.Extract, run.Monitor})
		}}
	f.bind(cmd, true)
	return cmd
}

func (c *cli) reconcileCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "reconcile", Short: "Decide who is right, and plan the changes; sends nothing", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doRun(cmd.Context(), f, []run.Stage{run.Reconcile})
		}}
	f.bind(cmd, false)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "approve a first plan")
	return cmd
}

func (c *cli) loadCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "load", Short: "Send the planned changes that may be sent", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doRun(cmd.Context(), f, []run.Stage{run.Settle, run.Load, run.Monitor})
		}}
	f.bind(cmd, false)
	f.show.bind(cmd)
	return cmd
}

// options checks the flags against the project.
func (f runFlags) options(a *app, stages []run.Stage) (run.Options, error) {
	o := run.Options{Mode: pipeline.Mode(f.mode), Stages: stages, Entities: f.entities, Systems: f.systems, Yes: f.yes, ID: pipeline.RunID(newID())}
	if f.mode == "" {
		o.Mode = pipeline.Incremental
	}
	if o.Mode != pipeline.Incremental && o.Mode != pipeline.Sweep {
		return o, &usageError{err: fmt.Errorf("--mode is %q; it can be incremental or sweep", f.mode), help: "trueup run --help"}
	}
	for _, n := range f.entities {
		if err := entityNamed(a.project, n); err != nil {
			return o, err
		}
	}
	for _, n := range f.systems {
		if err := systemNamed(a.project, n); err != nil {
			return o, err
		}
	}
	if f.runAt == "" {
		return o, nil
	}
	at, err := time.Parse(time.RFC3339, f.runAt)
	if err != nil {
		return o, &usageError{err: fmt.Errorf("--run-at %q is not a time such as 2026-05-04T02:15:00Z", f.runAt), help: "trueup run --help"}
	}
	o.RunAt = at
	return o, nil
}

// doRun runs some stages and prints what they did.
func (c *cli) doRun(ctx context.Context, f runFlags, stages []run.Stage) (err error) {
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	o, err := f.options(a, stages)
	if err != nil {
		return err
	}
	a.log = a.log.With("run", string(o.ID))
	figures := observe.NewFigures()
	p := c.progress()
	defer p.stop()
	if err := a.connect(figures, c.secrets, p.wait); err != nil {
		return err
	}
	job := a.job()
	job.Figures = figures
	job.Notice = p.notice
	result, err := run.Run(ctx, job, o)
	p.stop()
	if err != nil {
		return c.stopped(ctx, a.project, result, err)
	}
	if c.json() {
		err = c.printJSON(runJSON(result))
	} else {
		var sent story.Plan
		if !slices.Contains(stages, run.Reconcile) && slices.Contains(stages, run.Load) {
			if sent, err = a.sent(ctx, result.Run, f.show); err != nil {
				return err
			}
		}
		c.printRun(a.project, result, stages, sent, f.show)
	}
	if err == nil && result.Attention() {
		err = &attention{"the run is done and something needs a person"}
	}
	return err
}

// sent reads what a load did, and what still waits for a person.
func (a *app) sent(ctx context.Context, id pipeline.RunID, f planFlags) (p story.Plan, err error) {
	head, err := a.lake.Head(ctx)
	if err != nil {
		return p, err
	}
	session, err := a.engine.Session(ctx, head)
	if err != nil {
		return p, err
	}
	defer session.Close()
	if p, err = story.ReadSent(ctx, session, a.project, string(id), f.cut()); err != nil {
		return p, err
	}
	p.Next, _, err = story.ReadNext(ctx, session, a.project, head.Clock(time.Now()))
	return p, err
}

// stopped says what a run did that did not come to its end, and what is safe.
func (c *cli) stopped(ctx context.Context, project *config.Project, r run.Result, err error) error {
	if r.Commit == 0 { // it never began
		return fmt.Errorf("run %s: %w", r.Run, err)
	}
	if !c.json() {
		c.printStages(project, r)
	}
	e := fault.New(fault.KindOf(err), "run "+string(r.Run), err).WithCode(fault.CodeOf(err))
	if ctx.Err() != nil {
		e = fault.New(fault.Canceled, "run "+string(r.Run), errors.New("interrupted after a checkpoint")).WithCode(fault.CodeInterrupted)
	}
	return e.WithHelp(cmp.Or(fault.HelpOf(err), "trueup run")).
		WithNote("what was read, decided or sent up to here is stored; the next run goes on from there, and sends nothing twice")
}
