package story

import (
	"context"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Figure is one number that a run left. Entity is "" for what belongs to a whole
// system, both are "" for what belongs to the run.
type Figure struct {
	Name, Entity, System string
	Value                float64
}

// Figures lists every figure once, from the newest run that has it.
func Figures(ctx context.Context, session *duck.Session) ([]Figure, error) {
	if err := session.Current(ctx, tables.Metrics(), "metrics"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/figures.sql")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Figure
	for rows.Next() {
		var f Figure
		if err := rows.Scan(&f.Name, &f.Entity, &f.System, &f.Value); err != nil {
			return nil, fmt.Errorf("figures: %w", err)
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// Ended counts the runs that ended in one way.
type Ended struct {
	Mode, State string
	Runs        int64
}

// EndedRuns counts the runs by mode and by how they ended.
func EndedRuns(ctx context.Context, session *duck.Session) ([]Ended, error) {
	if err := session.Current(ctx, tables.Runs(), "runs"); err != nil {
		return nil, err
	}
	rows, err := ask(ctx, session, "review/ended.sql")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Ended
	for rows.Next() {
		var e Ended
		if err := rows.Scan(&e.Mode, &e.State, &e.Runs); err != nil {
			return nil, fmt.Errorf("runs by their ends: %w", err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}
