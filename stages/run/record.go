package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
)

// record commits where the run stands, and at its end its figures.
func (r *runner) record(ctx context.Context, state string, code int64) error {
	now := r.Now()
	runs := delta.NewRows(tables.Runs())
	runs.Text(string(r.o.ID)).Text(string(r.o.Mode)).Text(state).Number(int64(r.result.Epoch)).Time(r.result.RunAt)
	runs.Time(r.began)
	if state == "running" {
		runs.Null()
	} else {
		runs.Time(now)
	}
	runs.Text(r.Project.Hash)
	files := map[string][]lake.File{}
	summary, err := r.summary()
	if err != nil {
		return err
	}
	if state == "running" {
		runs.Null().Text(summary)
	} else {
		runs.Number(code).Text(summary)
		if err := r.store(ctx, files, tables.Metrics(), r.figures(now)); err != nil {
			return err
		}
	}
	if err := r.store(ctx, files, tables.Runs(), runs.Batch()); err != nil {
		return err
	}
	head, err := r.tenure.Committer("run").Commit(ctx, lake.Step{Stage: "run", Add: files})
	if err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	r.result.Commit = head.Commit().Seq
	return nil
}

func (r *runner) store(ctx context.Context, files map[string][]lake.File, t tables.Table, rows arrow.RecordBatch) error {
	defer rows.Release()
	if rows.NumRows() == 0 {
		return nil
	}
	w := r.writer(t)
	if err := w.Write(rows); err != nil {
		w.Abort()
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	made, err := w.Close(ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	files[t.Name] = append(files[t.Name], made...)
	return nil
}

// summary says what the run was asked to do, and what it has done, as JSON.
func (r *runner) summary() (string, error) {
	s := Summarise(r.result)
	s.Asked = &Asked{Stages: r.o.Stages, Entities: append([]string{}, r.o.Entities...), Systems: append([]string{}, r.o.Systems...)}
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("summary of the run: %w", err)
	}
	return string(text), nil
}

// Summary is what a run leaves about itself in the table runs, as JSON.
type Summary struct {
	Asked     *Asked           `json:"asked,omitempty"`
	Extracted []ExtractSummary `json:"extracted,omitempty"`
	Loaded    []LoadSummary    `json:"loaded,omitempty"`
	Settled   []LoadSummary    `json:"settled,omitempty"`
}

// Asked is what a run was asked to do; empty lists of names mean all.
type Asked struct {
	Stages   []Stage  `json:"stages"`
	Entities []string `json:"entities"`
	Systems  []string `json:"systems"`
}

// ExtractSummary is one stream's pass.
type ExtractSummary struct {
	Stream   string `json:"stream"`
	State    string `json:"state"`
	Why      string `json:"why,omitempty"`
	Baseline bool   `json:"baseline,omitempty"`
	Read     int64  `json:"read"`
	New      int64  `json:"new"`
	Changed  int64  `json:"changed"`
	Deleted  int64  `json:"deleted"`
	Missing  int64  `json:"missing"`
	Dead     int64  `json:"dead"`
}

// LoadSummary is one stream's load.
type LoadSummary struct {
	Stream string      `json:"stream"`
	Counts load.Counts `json:"counts"`
	Why    string      `json:"why,omitempty"`
}

// Summarise is what a run leaves about itself.
func Summarise(r Result) Summary {
	var s Summary
	for _, x := range r.Extracted {
		s.Extracted = append(s.Extracted, ExtractSummary{Stream: x.Stream.String(), State: string(x.State), Why: text(x.Err),
			Baseline: x.Baseline, Read: x.Counts.Read, New: x.Counts.Inserted, Changed: x.Counts.Updated,
			Deleted: x.Counts.Deleted, Missing: x.Counts.Missing, Dead: x.Counts.Dead})
	}
	for _, l := range r.Loaded {
		s.Loaded = append(s.Loaded, LoadSummary{l.Stream.String(), l.Counts, text(l.Err)})
	}
	for _, l := range r.Settled {
		s.Settled = append(s.Settled, LoadSummary{l.Stream.String(), l.Counts, text(l.Err)})
	}
	return s
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// figures are the run's metrics; what did not happen is stored as 0.
func (r *runner) figures(at time.Time) arrow.RecordBatch {
	b := delta.NewRows(tables.Metrics())
	add := func(f observe.Figure) {
		b.Text(string(r.o.ID)).Text(f.Name).Text(f.Entity).Text(f.System).Optional(f.Field).Real(f.Value).Time(at)
	}
	put := func(name, entity, system string, v int64) {
		add(observe.Figure{Name: name, Entity: entity, System: system, Value: float64(v)})
	}
	for _, x := range r.result.Extracted {
		extractFigures(x, func(name string, v int64) { put(name, x.Stream.Entity, x.Stream.System, v) })
	}
	for _, l := range r.result.Loaded {
		loadFigures(l, func(name string, v int64) { put(name, l.Stream.Entity, l.Stream.System, v) })
	}
	if r.Figures != nil {
		for _, f := range r.Figures.Snapshot() {
			add(f)
		}
	}
	return b.Batch()
}

func extractFigures(x extract.Result, put func(string, int64)) {
	c := x.Counts
	put("extract.read", c.Read)
	put("extract.inserted", c.Inserted)
	put("extract.updated", c.Updated)
	put("extract.touched", c.Touched)
	put("extract.unchanged", c.Unchanged)
	put("extract.deleted", c.Deleted)
	put("extract.moved", c.Moved)
	put("extract.missing", c.Missing)
	put("extract.dead_letters", c.Dead)
	put("extract.late", c.Late)
	put("extract.milliseconds", x.Took.Milliseconds())
}

func loadFigures(l load.Result, put func(string, int64)) {
	c := l.Counts
	put("load.sent", c.Sent)
	put("load.applied", c.Applied)
	put("load.already_true", c.AlreadyTrue)
	put("load.applied_partly", c.Partly)
	put("load.not_kept", c.NotKept)
	put("load.stale", c.Stale)
	put("load.rejected", c.Rejected)
	put("load.held", c.Held)
	put("load.in_doubt", c.InDoubt)
	put("load.lost_answers", c.Lost)
	put("load.retried", c.Retried)
	put("load.waiting", c.Waiting)
}
