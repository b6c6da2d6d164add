package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/stages/run"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

func (c *cli) serveCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{Use: "serve", Short: "Run the schedules of the project file until a signal comes", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") {
				c.flags.logLevel = "info" // its log is all that it prints
			}
			return c.serve(cmd.Context(), listen)
		}}
	cmd.Flags().StringVar(&listen, "listen", "", "serve /metrics, /healthz and /readyz at this address, such as 127.0.0.1:9464")
	return cmd
}

// serve keeps the schedules until ctx ends. It is an error only if it could not
// begin, or a run was interrupted.
func (c *cli) serve(ctx context.Context, listen string) (err error) {
	w := newWatch(c, time.Now)
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.open(ctx); err != nil {
		return err
	}
	if len(w.project().Schedules) == 0 {
		return &projectError{fault.New(fault.Permanent, "serve", errors.New("the project file has no schedules: nothing would ever run")).
			WithHelp(`add schedules, such as: hourly: {cron: "5 * * * *", mode: incremental}`)}
	}
	if listen != "" {
		stop, err := w.listen(ctx, listen)
		if err != nil {
			return err
		}
		defer stop()
	}
	k := &schedule.Keeper{Look: w.look, Now: time.Now, Sleep: pace.Sleep, Log: w.log, Run: func(ctx context.Context, choice schedule.Choice) error {
		return c.scheduled(ctx, w, choice)
	}}
	return k.Keep(ctx)
}

// scheduled does one run that is due, in parts of its own: nothing of it outlives
// it. An error means that it did not come to its end.
func (c *cli) scheduled(ctx context.Context, w *watch, choice schedule.Choice) (err error) {
	s := choice.Schedule
	o := run.Options{Mode: pipeline.Mode(s.Mode), Stages: run.All(), Entities: s.Entities, Systems: s.Systems, ID: pipeline.RunID(newID()),
		Still: func(ctx context.Context) (bool, error) { return w.still(ctx, s.Name) }}
	log := w.log.With("run", string(o.ID), "schedule", s.Name)
	a, err := c.openProject(ctx, w.project(), log)
	if err != nil {
		return c.untold(ctx, log, run.Result{}, err)
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	figures := observe.NewFigures()
	if err := a.connect(figures, c.secrets, nil); err != nil {
		return c.untold(ctx, log, run.Result{}, err)
	}
	job := a.job()
	job.Figures, job.Notice = figures, func(e run.Event) { noted(log, e) }
	log.Info("run begins", "mode", s.Mode, "due", choice.Due.Format(time.RFC3339), "includes", choice.Includes)
	w.going.Add(1)
	result, err := run.Run(ctx, job, o)
	w.going.Add(-1)
	if err != nil {
		return c.untold(ctx, log, result, err)
	}
	told(log, result)
	return nil
}

// untold logs a run that did not come to its end, and gives what becomes of serve
// if it was stopped: nothing, unless the run had begun.
func (c *cli) untold(ctx context.Context, log *slog.Logger, r run.Result, err error) error {
	switch {
	case errors.Is(err, run.ErrDone):
		log.Info("another run did this meanwhile")
		return nil
	case ctx.Err() != nil && r.Epoch == 0:
		return nil // it had not begun
	case ctx.Err() != nil:
		log.Warn("run interrupted after a checkpoint; the next one goes on from there")
		return fault.New(fault.Canceled, "run "+string(r.Run), errors.New("interrupted after a checkpoint")).WithCode(fault.CodeInterrupted).WithHelp("trueup serve").
			WithNote("what was read, decided or sent up to here is stored; the next run goes on from there, and sends nothing twice")
	case errors.Is(err, lake.ErrLeaseHeld):
		log.Info("another run is on; waiting for it")
	case r.Epoch == 0:
		log.Error("the run could not begin; trying again in a minute", "error", err, "help", fault.HelpOf(err))
	default:
		log.Error("run failed; it is tried again when it is due next", "error", err, "help", fault.HelpOf(err),
			"note", "what was read, decided or sent up to here is stored")
	}
	return err
}

// noted logs what ended in a run.
func noted(log *slog.Logger, e run.Event) {
	name := e.Entity
	if e.Stream.Entity != "" {
		name = e.Stream.String()
	}
	if e.Done {
		log.Info(string(e.Stage), "of", name, "did", e.Text)
	}
}

// told logs what a run did in figures.
func told(log *slog.Logger, r run.Result) {
	var read, changed, sent, applied int64
	for _, x := range r.Extracted {
		read, changed = read+x.Counts.Read, changed+x.Counts.Inserted+x.Counts.Updated+x.Counts.Deleted
	}
	for _, l := range r.Loaded {
		sent, applied = sent+l.Counts.Sent, applied+l.Counts.Applied
	}
	log.Info("run ended", "read", read, "changed", changed, "sent", sent, "applied", applied, "took", r.Took.Round(time.Millisecond).String())
	if r.Attention() {
		log.Warn("something needs a person", "help", "trueup status")
	}
}
