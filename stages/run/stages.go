package run

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
)

// each calls do for every wanted stream: systems side by side, the streams of one
// system one after the other, in the order of the file.
func (r *runner) each(ctx context.Context, do func(context.Context, config.Entity, config.Stream) error) error {
	group, inner := errgroup.WithContext(ctx)
	for _, system := range r.Project.Systems {
		group.Go(func() error {
			for _, entity := range r.Project.ParentsFirst() {
				for _, stream := range entity.Streams {
					if stream.System != system.Name || !r.wanted(entity.Name, system.Name) {
						continue
					}
					if err := do(inner, entity, stream); err != nil {
						return fmt.Errorf("%s: %w", pipeline.StreamID{Entity: entity.Name, System: system.Name}, err)
					}
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *runner) writer(t tables.Table) *delta.Writer { return r.WriterAt(t, r.tenure.Epoch()) }

func (r *runner) extract(ctx context.Context) error {
	var mu sync.Mutex
	return r.each(ctx, func(ctx context.Context, e config.Entity, s config.Stream) error {
		id := pipeline.StreamID{Entity: e.Name, System: s.System}
		r.notice(Event{Stage: Extract, Stream: id, Text: "nothing read yet"})
		deps := extract.Deps{Lake: r.Lake, Tenure: r.tenure, Engine: r.Engine, Writer: r.writer, Now: r.Now, Log: r.Log}
		result, err := extract.Run(ctx, deps, extract.Request{Run: r.o.ID, RunAt: r.result.RunAt, Mode: r.o.Mode,
			Entity: e, Stream: s, Fingerprint: r.Project.StreamFingerprint(e.Name, s.System), Every: r.Project.Checkpoint,
			Concurrency: r.system(s.System).Limits.Concurrency, Source: r.Sources[id],
			Progress: func(c replica.Counts) {
				r.notice(Event{Stage: Extract, Stream: id, Rows: c.Read, Text: fmt.Sprintf("%d read, %d new or changed", c.Read, c.Inserted+c.Updated)})
			}})
		mu.Lock()
		r.result.Extracted = append(r.result.Extracted, result)
		mu.Unlock()
		r.notice(Event{Stage: Extract, Stream: id, Done: true, Text: string(result.State)})
		return err
	})
}

func (r *runner) system(name string) config.System {
	s, _ := r.Project.System(name) // the project file was checked
	return s
}

func (r *runner) settle(ctx context.Context) error {
	return r.write(ctx, Settle, load.Settle, &r.result.Settled)
}

func (r *runner) load(ctx context.Context) error {
	return r.write(ctx, Load, load.Run, &r.result.Loaded)
}

// write runs a stage that writes to the outside over every writable stream.
func (r *runner) write(ctx context.Context, stage Stage, do func(context.Context, load.Deps, load.Request) (load.Result, error), into *[]load.Result) error {
	var mu sync.Mutex
	return r.each(ctx, func(ctx context.Context, e config.Entity, s config.Stream) error {
		id := pipeline.StreamID{Entity: e.Name, System: s.System}
		target := r.Targets[id]
		if s.Write == nil || target == nil {
			return nil
		}
		r.notice(Event{Stage: stage, Stream: id, Text: "nothing sent yet"})
		limits := r.system(s.System).Limits
		deps := load.Deps{Lake: r.Lake, Tenure: r.tenure, Engine: r.Engine, Writer: r.writer, Now: r.Now, Log: r.Log, Fence: r.lease.Check}
		result, err := do(ctx, deps, load.Request{Run: r.o.ID, RunAt: r.result.RunAt, Entity: e, Stream: s, Target: target,
			PerSecond: limits.RequestsPerSecond, Concurrency: limits.Concurrency,
			Progress: func(c load.Counts, left int) {
				r.notice(Event{Stage: stage, Stream: id, Rows: c.Sent, Total: c.Sent + int64(left), Text: fmt.Sprintf("%d sent, %d applied", c.Sent, c.Applied)})
			}})
		mu.Lock()
		*into = append(*into, result)
		mu.Unlock()
		r.notice(Event{Stage: stage, Stream: id, Done: true, Text: fmt.Sprintf("%d applied", result.Counts.Applied)})
		return err
	})
}
