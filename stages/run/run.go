// Package run is the order of a run: settle what the last one left in doubt,
// extract, reconcile, load, watch, and say what was done. It resumes by beginning
// again from the state that the lake holds. It must never hold state of its own
// between stages: what passes between them is tables.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/monitor"
	"github.com/trueup-data/trueup/stages/reconcile"
)

// Stage is a part of a run.
type Stage string

// The stages, in the order of a run.
const (
	Settle    Stage = "settle"
	Extract   Stage = "extract"
	Reconcile Stage = "reconcile"
	Load      Stage = "load"
	Monitor   Stage = "monitor"
)

// All is a whole run.
func All() []Stage { return []Stage{Settle, Extract, Reconcile, Load, Monitor} }

// Job is a project with everything that its runs need, composed by the caller.
type Job struct {
	Project  *config.Project
	Lake     *lake.Lake
	Engine   *duck.Engine
	WriterAt func(t tables.Table, epoch uint64) *delta.Writer // makes files under an epoch
	Sources  map[pipeline.StreamID]extract.Source
	Targets  map[pipeline.StreamID]load.Target
	Now      func() time.Time
	Log      *slog.Logger
	Figures  *observe.Figures // what the connectors count: requests, retries, latencies; may be nil
	Notice   func(Event)      // told as things happen; may be nil; called from several goroutines
}

// Event is something that happened in a run, for progress.
type Event struct {
	Stage  Stage
	Stream pipeline.StreamID // zero where it concerns an entity or the run
	Entity string
	Text   string
	Done   bool
	Rows   int64 // that were read or sent so far
	Total  int64 // of them; 0: nobody knows

	System string // that is waited for, with Text saying why and Until how long; Stage and Stream are zero then
	Until  time.Time
}

// Options choose what a run does.
type Options struct {
	Mode     pipeline.Mode
	Stages   []Stage
	Entities []string  // empty: all
	Systems  []string  // empty: all; the others are not due
	Yes      bool      // approve a first plan
	RunAt    time.Time // zero: now; never before that of the run before
	ID       pipeline.RunID

	// Still is asked once the lease is held: whether there is still something to
	// do, or another run did it meanwhile; nil is yes. The run ends with ErrDone
	// then, and leaves nothing.
	Still func(ctx context.Context) (bool, error)
}

// ErrDone ends a run that found its work done when it got the lease.
var ErrDone = errors.New("another run did this meanwhile")

// Result is what a run did.
type Result struct {
	Run        pipeline.RunID
	Epoch      uint64
	RunAt      time.Time
	Settled    []load.Result
	Extracted  []extract.Result
	Reconciled []reconcile.Result
	Loaded     []load.Result
	Watched    monitor.Result
	Commit     uint64 // seq of the last commit
	Took       time.Duration
}

// Attention reports whether a person should look: something is partial, held,
// in doubt, or waits for an approval, or a grave finding is open.
func (r Result) Attention() bool {
	partial := slices.ContainsFunc(r.Extracted, func(x extract.Result) bool { return x.State != extract.Complete })
	left := slices.ContainsFunc(append(slices.Clone(r.Settled), r.Loaded...), func(x load.Result) bool { return x.Counts.Attention() || x.Err != nil })
	merged := slices.ContainsFunc(r.Reconciled, reconcile.Result.Attention)
	return partial || left || merged || r.Watched.High > 0
}

// Run does one run as a tenure of its own. The outside's failures are in the
// Result; an error is a failure of the run itself. ErrLeaseHeld: another run is
// on. A cancelled context stops at the last commit; whatever was on the wire is
// in doubt and settled by the next run.
func Run(ctx context.Context, job Job, o Options) (Result, error) {
	began := job.Now()
	lease, err := job.Lake.Acquire(ctx, string(o.ID), job.longestRequest())
	if err != nil {
		return Result{Run: o.ID}, err
	}
	renewing, stop := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop(lease.Keep(renewing))
	}()
	defer func() {
		stop(nil)
		<-done
		// The outside is told last: nobody may begin before everything is stored.
		if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
			job.Log.Warn("the lease could not be released; the next run waits until it is over", "error", err)
		}
	}()
	r := &runner{Job: job, o: o, lease: lease, began: began, result: Result{Run: o.ID}}
	if err = r.still(renewing); err == nil {
		err = r.run(renewing)
	}
	if cause := context.Cause(renewing); err != nil && ctx.Err() == nil && cause != nil {
		err = cause // what else failed then failed because of it
	}
	r.result.Took = job.Now().Sub(began)
	return r.result, err
}

// still asks whether there is still something to do.
func (r *runner) still(ctx context.Context) error {
	if r.o.Still == nil {
		return nil
	}
	still, err := r.o.Still(ctx)
	if err == nil && !still {
		err = ErrDone
	}
	return err
}

// longestRequest is how long a request of a dead run may still be on the wire.
func (j Job) longestRequest() time.Duration {
	var longest time.Duration
	for _, s := range j.Project.Systems {
		longest = max(longest, s.Limits.Timeout)
	}
	return longest
}

// runner is one run under way.
type runner struct {
	Job
	o      Options
	began  time.Time
	lease  *lake.Lease
	tenure *lake.Tenure
	result Result
}

func (r *runner) run(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.recordStart(ctx); err != nil {
		return err
	}
	err := r.stages(ctx)
	if err == nil {
		r.tidy(ctx)
	}
	if lake.Fenced(err) {
		return err // a newer run took over: nothing of this one lands any more
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return r.end(ctx, closing, err)
}

// end watches a run, also one that failed, as far as it came, and records how it
// ended, its figures and what they showed in one commit.
func (r *runner) end(ctx, closing context.Context, err error) error {
	figures := r.figures(r.Now())
	defer figures.Release()
	if slices.Contains(r.o.Stages, Monitor) {
		var failed error
		r.result.Watched, failed = monitor.Watch(closing, monitor.Deps{Lake: r.Lake, Engine: r.Engine, Writer: r.writer},
			monitor.Request{Run: r.o.ID, RunAt: r.result.RunAt, Figures: figures, Project: r.Project})
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", Monitor, failed))
		}
	}
	state, code := "done", int64(0)
	switch {
	case ctx.Err() != nil:
		state, code = "interrupted", 130
	case err != nil:
		state, code = "failed", 1
	case r.result.Attention():
		state, code = "attention", 3
	}
	return errors.Join(err, r.recordEnd(closing, state, code, figures))
}

// begin opens the tenure. The clock of a project never goes backwards.
func (r *runner) begin(ctx context.Context) error {
	head, err := r.Lake.Head(ctx)
	if err != nil {
		return err
	}
	at := r.o.RunAt
	if at.IsZero() {
		at = head.Clock(r.Now())
	}
	if before := head.Commit().RunAt; at.Before(before) {
		why := fmt.Errorf("--run-at %s is before the last run's %s: the clock of a project never goes backwards", at.Format(time.RFC3339), before.Format(time.RFC3339))
		return fault.New(fault.Permanent, "begin", why).WithCode(fault.CodeClockBackwards).WithHelp("leave --run-at away, or see: trueup runs").WithNote("nothing was read or sent")
	}
	r.result.RunAt = at.UTC().Truncate(time.Microsecond)
	r.tenure, err = r.Lake.Begin(ctx, lake.Opening{Run: string(r.o.ID), RunAt: r.result.RunAt, Project: r.Project.Hash})
	if err == nil {
		r.result.Epoch = r.tenure.Epoch()
	}
	return err
}

func (r *runner) stages(ctx context.Context) error {
	steps := []struct {
		stage Stage
		do    func(context.Context) error
	}{{Settle, r.settle}, {Extract, r.extract}, {Reconcile, r.reconcile}, {Load, r.load}}
	for _, s := range steps {
		if !slices.Contains(r.o.Stages, s.stage) {
			continue
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.stage, err)
		}
	}
	return nil
}

func (r *runner) notice(e Event) {
	if r.Notice != nil {
		r.Notice(e)
	}
}

// wanted reports whether a stream takes part in this run.
func (r *runner) wanted(entity, system string) bool {
	return (len(r.o.Entities) == 0 || slices.Contains(r.o.Entities, entity)) &&
		(len(r.o.Systems) == 0 || slices.Contains(r.o.Systems, system))
}
