package monitor

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// session is the DuckDB session that a detection works in.
type session interface {
	Exec(ctx context.Context, statement string, args ...any) error
	Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

// detection tests hours of history over the views in_metrics and in_runs of a
// session. Every hour is judged by what came before it, so testing many at once
// says the same as testing each when it was the newest.
type detection struct {
	project *config.Project
	clock   time.Time                         // nothing after it is read
	from    time.Time                         // hours before that of from are history and not tested
	text    func(name string) (string, error) // a statement of sql/monitor
}

// memory is how far back a baseline reaches: eight weeks of the same hour, and
// the week before the first of them.
const memory = 10 * 7 * 24 * time.Hour

// far is how many standard deviations are worth a word, by sensitivity.
var far = map[string]float64{config.SensitivityLow: 6, config.SensitivityNormal: 4.5, config.SensitivityHigh: 3.5}

// detect fills the table signal.
func (d detection) detect(ctx context.Context, s session) error {
	if err := d.prepare(ctx, s); err != nil {
		return err
	}
	if err := d.files(ctx, s, "kinds", "signals", "history", "freshness", "missing", "always"); err != nil {
		return err
	}
	var hours int64
	if err := one(ctx, s, "SELECT count(DISTINCT h) FROM figure", &hours); err != nil {
		return err
	}
	if hours < fewest {
		return nil
	}
	return d.files(ctx, s, "counts", "shares", "levels")
}

// fewest is how many hours of history a baseline needs: below it the detectors
// that compare with one have nothing to say.
const fewest = 7

// prepare makes the parameters.
func (d detection) prepare(ctx context.Context, s session) error {
	watch := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE p_watch AS SELECT %d::BIGINT AS at_us, %d::BIGINT AS from_us, %d::BIGINT AS since_us, %s AS timezone, %g::DOUBLE AS far",
		d.clock.UnixMicro(), d.from.UnixMicro(), d.from.Add(-memory).UnixMicro(), duck.Literal(zoneOf(d.project)), far[cmp.Or(d.project.Monitors.Sensitivity, config.SensitivityNormal)])
	streams := "CREATE OR REPLACE TEMP TABLE p_stream (entity VARCHAR, system VARCHAR, due_hours DOUBLE)"
	var rows []string
	for _, e := range d.project.Entities {
		for _, x := range e.Streams {
			due := "NULL"
			if every := dueEvery(d.project, e.Name, x.System, d.clock); every > 0 {
				due = fmt.Sprintf("%g", every.Hours())
			}
			rows = append(rows, fmt.Sprintf("(%s, %s, %s)", duck.Literal(e.Name), duck.Literal(x.System), due))
		}
	}
	if len(rows) > 0 {
		streams += "; INSERT INTO p_stream VALUES " + strings.Join(rows, ", ")
	}
	if err := s.Exec(ctx, watch); err != nil {
		return err
	}
	return s.Exec(ctx, streams)
}

// live fills the table out_findings with what changes in the life of findings
// (the view in_findings) at one of the tested runs.
func (d detection) live(ctx context.Context, s session, run string, at time.Time) error {
	now := fmt.Sprintf("CREATE OR REPLACE TEMP TABLE p_now AS SELECT %s AS run, %d::BIGINT AS at_us, %d::BIGINT AS h",
		duck.Literal(run), at.UnixMicro(), at.Unix()/3600)
	if err := s.Exec(ctx, now); err != nil {
		return err
	}
	if err := s.Exec(ctx, emptyTable("out_findings", tables.Findings())); err != nil {
		return err
	}
	return d.file(ctx, s, "life")
}

func emptyTable(name string, t tables.Table) string {
	columns := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = duck.Quote(c.Name) + " " + c.Type.DuckDB()
	}
	return "CREATE OR REPLACE TEMP TABLE " + name + " (" + strings.Join(columns, ", ") + ")"
}

func (d detection) files(ctx context.Context, s session, names ...string) error {
	for _, name := range names {
		if err := d.file(ctx, s, name); err != nil {
			return err
		}
	}
	return nil
}

func (d detection) file(ctx context.Context, s session, name string) error {
	text, err := d.text(name)
	if err != nil {
		return err
	}
	if err := s.Exec(ctx, text); err != nil {
		return fmt.Errorf("monitor/%s.sql: %w", name, err)
	}
	return nil
}
