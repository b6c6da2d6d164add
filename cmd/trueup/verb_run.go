package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/stages/run"
)

// runFlags are the options of the verbs that do stages of a run.
type runFlags struct {
	mode     string
	entities []string
	systems  []string
	runAt    string
	yes      bool
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
	cmd := &cobra.Command{Use: "run", Short: "Extract, reconcile and load, once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doRun(cmd.Context(), f, run.All()) }}
	f.bind(cmd, true)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "approve a first plan")
	return cmd
}

func (c *cli) extractCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "extract", Short: "Read what changed in the systems", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doRun(cmd.Context(), f, []run.Stage{run.Extract})
		}}
	f.bind(cmd, true)
	return cmd
}

func (c *cli) reconcileCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "reconcile", Short: "Decide who is right, and plan the changes; sends nothing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doRun(cmd.Context(), f, []run.Stage{run.Reconcile})
		}}
	f.bind(cmd, false)
	cmd.Flags().BoolVar(&f.yes, "yes", false, "approve a first plan")
	return cmd
}

func (c *cli) loadCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{Use: "load", Short: "Send the planned changes that may be sent", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doRun(cmd.Context(), f, []run.Stage{run.Settle, run.Load})
		}}
	f.bind(cmd, false)
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
	var entities, systems []string
	for _, e := range a.project.Entities {
		entities = append(entities, e.Name)
	}
	for _, s := range a.project.Systems {
		systems = append(systems, s.Name)
	}
	for _, w := range []struct {
		flag         string
		names, known []string
	}{{"--entity", f.entities, entities}, {"--system", f.systems, systems}} {
		for _, n := range w.names {
			if !oneOf(n, w.known) {
				return o, &usageError{err: fmt.Errorf("%s %s is not in the project; there are %v", w.flag, n, w.known), help: "trueup validate"}
			}
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
	figures := observe.NewFigures()
	if err := a.connect(figures, c.secrets); err != nil {
		return err
	}
	job := a.job()
	p := c.progress()
	job.Notice = p.notice
	result, err := run.Run(ctx, job, o)
	p.stop()
	if err != nil {
		return fmt.Errorf("run %s: %w", o.ID, err)
	}
	if c.json() {
		err = c.printJSON(runJSON(result))
	} else {
		c.printRun(result)
	}
	if err == nil && result.Attention() {
		err = &attention{"the run is done and something needs a person"}
	}
	return err
}
