package run

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/reconcile"
)

// reconcilesAtOnce is how many entities are judged side by side: planning their
// statements takes one core each, while what they hold is bounded by the engine.
const reconcilesAtOnce = 2

// reconcile judges the entities side by side. Each reads its own tables and
// commits by itself, so their order means nothing; results are in that of the file.
func (r *runner) reconcile(ctx context.Context) error {
	var wanted []config.Entity
	for _, e := range r.Project.ParentsFirst() {
		if r.wantedEntity(e) {
			wanted = append(wanted, e)
		}
	}
	results := make([]*reconcile.Result, len(wanted))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(reconcilesAtOnce)
	for i, e := range wanted {
		group.Go(func() error {
			deps := reconcile.Deps{Lake: r.Lake, Tenure: r.tenure, Engine: r.Engine, Writer: r.writer, Log: r.Log}
			result, err := reconcile.Run(inner, deps, reconcile.Request{Run: r.o.ID, RunAt: r.result.RunAt, Entity: e,
				ProjectHash: r.Project.MergeFingerprint(e.Name), Read: r.readOf(e), Yes: r.o.Yes})
			if err != nil {
				return err
			}
			results[i] = &result
			r.notice(Event{Stage: Reconcile, Entity: e.Name, Done: true, Text: fmt.Sprintf("%d keys judged, %d golden records written", result.Looked, result.Golden)})
			return nil
		})
	}
	err := group.Wait()
	for _, result := range results {
		if result != nil { // what was committed is told, also where another failed
			r.result.Reconciled = append(r.result.Reconciled, *result)
		}
	}
	return err
}

func (r *runner) wantedEntity(e config.Entity) bool {
	for _, s := range e.Streams {
		if r.wanted(e.Name, s.System) {
			return true
		}
	}
	return false
}

// readOf says how far the streams of an entity were read in this run. A run that
// does not extract makes no system due.
func (r *runner) readOf(e config.Entity) map[string]reconcile.Read {
	out := map[string]reconcile.Read{}
	for _, x := range r.result.Extracted {
		if x.Stream.Entity == e.Name {
			out[x.Stream.System] = reconcile.Read{Due: true, Complete: x.State == extract.Complete}
		}
	}
	return out
}

// Tables lists every table of a project once, with its declaration.
func Tables(project *config.Project) []tables.Table {
	out := []tables.Table{tables.Checkpoints(), tables.Journal(), tables.DeadLetters(), tables.Findings(),
		tables.Differences(), tables.Holds(), tables.Decisions(), tables.Runs(), tables.Metrics()}
	for _, e := range project.Entities {
		fields, systems := e.Columns(), e.Systems()
		out = append(out, tables.Golden(e.Name, fields, systems), tables.Crosswalk(e.Name), tables.Tombstones(e.Name),
			tables.Changes(e.Name), tables.Conflicts(e.Name))
		for _, s := range e.Streams {
			id := pipeline.StreamID{Entity: e.Name, System: s.System}
			out = append(out, tables.Replica(id, replica.Columns(s.Extract.Fields)), tables.SweepSeen(id))
		}
	}
	return out
}
