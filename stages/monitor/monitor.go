// Package monitor watches: it compares the figures of a run with those of the
// runs before it, and keeps findings, which are what a person should know. It
// reads tables and gives rows of one table. It must never stop, hold or change
// anything: guards do that, by plain limits.
package monitor

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// Deps are what a watch works with. All are safe for concurrent use.
type Deps struct {
	Lake   *lake.Lake
	Engine *duck.Engine
	Writer func(t tables.Table) *delta.Writer // makes files under the tenure's epoch
}

// Request is one watch over one run.
type Request struct {
	Run     pipeline.RunID
	RunAt   time.Time         // the run's pinned clock
	Figures arrow.RecordBatch // the run's rows of metrics, not stored yet
	Project *config.Project
}

// Result is what a watch saw.
type Result struct {
	Opened   int64 // findings that this run opened or reopened
	Resolved int64
	High     int64       // open findings of severity high, of the kinds that are watched
	Files    []lake.File // rows of findings; whoever records the run commits them with its figures
}

// Watch tests the figures of a run. Nothing is committed. The run's row of the
// table runs is stored before.
func Watch(ctx context.Context, deps Deps, req Request) (Result, error) {
	head, err := deps.Lake.Head(ctx)
	if err != nil {
		return Result{}, err
	}
	session, err := deps.Engine.Session(ctx, head)
	if err != nil {
		return Result{}, err
	}
	defer session.Close()
	if err := mount(ctx, session, req.Figures); err != nil {
		return Result{}, fmt.Errorf("the figures of earlier runs: %w", err)
	}
	d := detection{project: req.Project, clock: req.RunAt, from: req.RunAt, text: statement}
	if err := d.detect(ctx, session); err != nil {
		return Result{}, err
	}
	if err := d.live(ctx, session, string(req.Run), req.RunAt); err != nil {
		return Result{}, err
	}
	result, err := count(ctx, session)
	if err != nil {
		return Result{}, err
	}
	result.Files, err = store(ctx, session, deps.Writer(tables.Findings()))
	return result, err
}

// mount makes the views that the detectors read, with the figures of a run that
// is not stored yet.
func mount(ctx context.Context, s *duck.Session, figures arrow.RecordBatch) error {
	for view, t := range map[string]tables.Table{"in_runs": tables.Runs(), "in_findings": tables.Findings(), "stored_metrics": tables.Metrics()} {
		if err := s.Current(ctx, t, view); err != nil {
			return err
		}
	}
	if figures == nil {
		return s.Exec(ctx, "CREATE OR REPLACE TEMP VIEW in_metrics AS FROM stored_metrics")
	}
	if _, err := s.Register(ctx, "new_metrics", figures); err != nil {
		return err
	}
	return s.Exec(ctx, "CREATE OR REPLACE TEMP VIEW in_metrics AS FROM stored_metrics UNION ALL FROM new_metrics")
}

func statement(name string) (string, error) { return queries.Text("monitor/" + name + ".sql") }

// count says what became of findings.
func count(ctx context.Context, s session) (Result, error) {
	text, err := statement("figures")
	if err != nil {
		return Result{}, err
	}
	var r Result
	return r, one(ctx, s, text, &r.Opened, &r.Resolved, &r.High)
}

// one reads the one row of a statement.
func one(ctx context.Context, s session, text string, into ...any) error {
	rows, err := s.Query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return fmt.Errorf("a statement gave no row: %w", cmpErr(rows.Err(), sql.ErrNoRows))
	}
	return rows.Scan(into...)
}

func cmpErr(err, fallback error) error {
	if err != nil {
		return err
	}
	return fallback
}

// store writes the findings that changed.
func store(ctx context.Context, s *duck.Session, w *delta.Writer) ([]lake.File, error) {
	rows, err := s.Copy(ctx, "FROM out_findings ORDER BY ALL", w)
	if err != nil || rows == 0 {
		w.Abort()
		return nil, err
	}
	return w.Close(ctx)
}
