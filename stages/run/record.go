package run

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/load"
)

// recordStart commits that the run is on.
func (r *runner) recordStart(ctx context.Context) error {
	summary, err := r.summary()
	if err != nil {
		return err
	}
	row := r.runRow("running")
	row.Null().Text(r.Project.Hash).Null().Text(summary)
	return r.record(ctx, map[string][]lake.File{}, row)
}

// recordEnd commits how the run ended, with its figures and the findings that
// follow from them.
func (r *runner) recordEnd(ctx context.Context, state string, code int64, figures arrow.RecordBatch) error {
	summary, err := r.summary()
	if err != nil {
		return err
	}
	row := r.runRow(state)
	row.Time(r.Now()).Text(r.Project.Hash).Number(code).Text(summary)
	files := map[string][]lake.File{}
	if len(r.result.Watched.Files) > 0 {
		files[tables.Findings().Name] = r.result.Watched.Files
	}
	if err := r.store(ctx, files, tables.Metrics(), figures); err != nil {
		return err
	}
	return r.record(ctx, files, row)
}

// runRow begins a row of runs, up to when the run began.
func (r *runner) runRow(state string) *delta.Rows {
	return delta.NewRows(tables.Runs()).Text(string(r.o.ID)).Text(string(r.o.Mode)).Text(state).
		Number(int64(r.result.Epoch)).Time(r.result.RunAt).Time(r.began)
}

func (r *runner) record(ctx context.Context, files map[string][]lake.File, row *delta.Rows) error {
	runs := row.Batch()
	defer runs.Release()
	if err := r.store(ctx, files, tables.Runs(), runs); err != nil {
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
