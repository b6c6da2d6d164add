package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

// History is what schedules need to know of the runs of a project: the newest
// ones of every kind that went through all stages. holder is the run that holds
// the lease, or "": another one that is called running is dead.
func History(ctx context.Context, session *duck.Session, holder string) ([]schedule.Past, error) {
	if err := session.Current(ctx, tables.Runs(), "runs"); err != nil {
		return nil, err
	}
	statement, err := queries.Text("run/history.sql")
	if err != nil {
		return nil, err
	}
	rows, err := session.Query(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("history of the runs: %w", err)
	}
	defer rows.Close()
	var out []schedule.Past
	for rows.Next() {
		var id, mode, state, asked string
		var started time.Time
		if err := rows.Scan(&id, &mode, &state, &started, &asked); err != nil {
			return nil, fmt.Errorf("history of the runs: %w", err)
		}
		var a Asked
		if err := json.Unmarshal([]byte(asked), &a); err != nil {
			return nil, fmt.Errorf("what run %s was asked to do: %w", id, err)
		}
		if whole(a.Stages) {
			out = append(out, schedule.Past{Mode: mode, Entities: a.Entities, Systems: a.Systems, End: endOf(state, id == holder), Started: started})
		}
	}
	return out, rows.Err()
}

// whole reports whether a run went through all stages.
func whole(stages []Stage) bool {
	return !slices.ContainsFunc(All(), func(s Stage) bool { return !slices.Contains(stages, s) })
}

func endOf(state string, holds bool) schedule.End {
	switch {
	case state == "done" || state == "attention":
		return schedule.Succeeded
	case state == "failed":
		return schedule.Failed
	case state == "interrupted":
		return schedule.Interrupted
	case holds:
		return schedule.Going
	}
	return schedule.Died
}
