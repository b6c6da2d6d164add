package run

import (
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/reconcile"
)

// figures are the run's metrics. What did not happen is stored as 0; what could
// not be measured is not stored. The caller releases the batch.
func (r *runner) figures(at time.Time) arrow.RecordBatch {
	b := delta.NewRows(tables.Metrics())
	add := func(f observe.Figure) {
		b.Text(string(r.o.ID)).Text(f.Name).Text(f.Entity).Text(f.System).Optional(f.Field).Real(f.Value).Time(at)
	}
	of := func(entity, system string) put {
		return func(name, field string, v float64) {
			add(observe.Figure{Name: name, Entity: entity, System: system, Field: field, Value: v})
		}
	}
	for _, x := range r.result.Extracted {
		extractFigures(x, of(x.Stream.Entity, x.Stream.System))
	}
	for _, x := range r.result.Reconciled {
		reconcileFigures(x, of(x.Entity, ""))
	}
	for _, l := range r.result.Loaded {
		loadFigures(l, of(l.Stream.Entity, l.Stream.System))
	}
	if r.Figures != nil {
		for _, f := range r.Figures.Snapshot() {
			add(f)
		}
	}
	return b.Batch()
}

// put stores one figure of a stream, an entity or a system.
type put func(name, field string, v float64)

// counts stores whole numbers that belong to no field.
func (p put) counts(figures map[string]int64) {
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		p(name, "", float64(figures[name]))
	}
}

// States of a pass as figures: 0 is a pass that was read to its end.
var stateFigure = map[extract.State]int64{extract.Complete: 0, extract.Partial: 1, extract.Failed: 2, extract.Empty: 3}

func extractFigures(x extract.Result, p put) {
	c := x.Counts
	state, known := stateFigure[x.State]
	if !known {
		state = stateFigure[extract.Failed] // it was cut off before anybody could judge it
	}
	p.counts(map[string]int64{
		"extract.read": c.Read, "extract.inserted": c.Inserted, "extract.updated": c.Updated, "extract.touched": c.Touched,
		"extract.unchanged": c.Unchanged, "extract.deleted": c.Deleted, "extract.moved": c.Moved, "extract.missing": c.Missing,
		"extract.dead_letters": c.Dead, "extract.late": c.Late, "extract.missed": c.Missed, "extract.milliseconds": x.Took.Milliseconds(),
		"extract.state": state, "extract.sweep": flag(x.Mode == pipeline.Sweep), "extract.baseline": flag(x.Baseline),
	})
	p("extract.lateness_seconds", "", x.Lateness.Seconds())
	if x.Lag != nil {
		p("extract.lag_seconds", "", x.Lag.Seconds())
	}
	if x.Mode == pipeline.Sweep {
		p("extract.missing_now", "", float64(x.Missing))
	}
	if x.Fields == nil || c.Inserted+c.Updated == 0 {
		return // nothing was told, so nothing is known of the fields
	}
	p("extract.undeclared", "", float64(x.Fields.Undeclared))
	for _, name := range slices.Sorted(maps.Keys(x.Fields.Fields)) {
		f := x.Fields.Fields[name]
		p("field.absent", name, float64(f.Absent))
		p("field.nulls", name, float64(f.Nulls))
		p("field.distinct", name, float64(f.Distinct()))
		if f.Values > 0 {
			p("field.size", name, f.Sizes/float64(f.Values))
		}
	}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func reconcileFigures(x reconcile.Result, p put) {
	p.counts(map[string]int64{"reconcile.judged": x.Looked, "reconcile.golden": x.Golden,
		"reconcile.conflicts": x.Conflicts, "reconcile.waiting": x.Waiting})
}

func loadFigures(l load.Result, p put) {
	c := l.Counts
	p.counts(map[string]int64{
		"load.sent": c.Sent, "load.applied": c.Applied, "load.already_true": c.AlreadyTrue, "load.applied_partly": c.Partly,
		"load.not_kept": c.NotKept, "load.stale": c.Stale, "load.rejected": c.Rejected, "load.held": c.Held,
		"load.in_doubt": c.InDoubt, "load.lost_answers": c.Lost, "load.retried": c.Retried, "load.waiting": c.Waiting,
		"load.forbidden": c.Forbidden,
	})
}
