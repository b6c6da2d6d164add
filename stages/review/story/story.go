// Package story reads the lake for people: what is planned, what became of it,
// where every stream stands, and all that is known of one record. It must never
// write, and never decide anything.
package story

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// Change is one change for one system as people see it.
type Change struct {
	ID      string             `json:"change"`
	Entity  string             `json:"entity"`
	Key     string             `json:"key"`
	System  string             `json:"system"`
	Op      string             `json:"op"`
	Record  string             `json:"id,omitempty"` // the record's ID in the system
	Before  map[string]*string `json:"before"`
	After   map[string]*string `json:"after"`
	Effect  string             `json:"effect"` // what an approval binds to
	State   string             `json:"state"`
	Reason  string             `json:"reason,omitempty"`
	Plan    string             `json:"plan,omitempty"`
	Attempt int64              `json:"attempt"`
	Run     string             `json:"run"`
	At      time.Time          `json:"at"`
	Word    *Word              `json:"decision,omitempty"` // what a person said of an open change
}

// Filter chooses changes; empty fields do not filter.
type Filter struct {
	Entity, System, State, Key string
	Open                       bool // only what is not finished
}

// Changes lists changes by entity, system, operation and key; an empty list is not nil.
func Changes(ctx context.Context, session *duck.Session, project *config.Project, f Filter) ([]Change, error) {
	said, err := words(ctx, session)
	if err != nil {
		return nil, err
	}
	out := []Change{}
	for _, e := range project.Entities {
		if f.Entity != "" && f.Entity != e.Name {
			continue
		}
		if err := session.Current(ctx, tables.Changes(e.Name), "changes"); err != nil {
			return nil, err
		}
		name, args := "review/changes.sql", []any{optional(f.System), optional(f.State), optional(f.Key)}
		if f.Open {
			name, args = "review/plan.sql", nil
		}
		rows, err := ask(ctx, session, name, args...)
		if err != nil {
			return nil, err
		}
		if out, err = scanChanges(rows, e.Name, out); err != nil {
			return nil, err
		}
	}
	for i, c := range out {
		if slices.Contains([]string{tables.ChangePlanned, tables.ChangeReady, tables.ChangeHeld}, c.State) {
			out[i].Word = said[c.Effect]
		}
	}
	return out, nil
}

func scanChanges(rows *sql.Rows, entity string, out []Change) ([]Change, error) {
	defer rows.Close()
	for rows.Next() {
		c := Change{Entity: entity}
		var id, before, after, reason, plan, run sql.NullString
		var attempt sql.NullInt64
		if err := rows.Scan(&c.ID, &c.Key, &c.System, &c.Op, &id, &before, &after, &c.Effect, &c.State, &reason, &plan, &attempt, &run, &c.At); err != nil {
			return nil, fmt.Errorf("changes of %s: %w", entity, err)
		}
		c.Record, c.Reason, c.Plan, c.Run, c.Attempt = id.String, reason.String, plan.String, run.String, attempt.Int64
		for _, v := range []struct {
			text sql.NullString
			into *map[string]*string
		}{{before, &c.Before}, {after, &c.After}} {
			if v.text.Valid {
				if err := json.Unmarshal([]byte(v.text.String), v.into); err != nil {
					return nil, fmt.Errorf("change %s: %w", c.ID, err)
				}
			}
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// optional makes an empty filter null.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ask runs a statement of the folder sql.
func ask(ctx context.Context, session *duck.Session, name string, args ...any) (*sql.Rows, error) {
	statement, err := queries.Text(name)
	if err != nil {
		return nil, err
	}
	rows, err := session.Query(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rows, nil
}

// goldenTable is the declaration of an entity's golden records.
func goldenTable(e config.Entity) tables.Table {
	return tables.Golden(e.Name, e.Columns(), e.Systems())
}

// View is a view that queries see.
type View struct {
	Name  string       `json:"name"`
	Shows string       `json:"shows"`
	Table tables.Table `json:"table"`
	Every bool         `json:"every"` // every row, with its place; else the current ones
}

// Views lists what `query` sees of a project: golden_E, replica_E_S (what a
// system shows now), history_E_S (all it ever said), changes_E, conflicts_E,
// crosswalk_E, tombstones_E, and the tables that concern all entities.
func Views(project *config.Project) []View {
	var out []View
	for _, e := range project.Entities {
		n := e.Name
		out = append(out,
			View{"golden_" + n, "the resolved truth of " + n + ", with the bases", goldenTable(e), false},
			View{"changes_" + n, "where each change stands", tables.Changes(n), false},
			View{"conflicts_" + n, "what was overridden, with both sides", tables.Conflicts(n), true},
			View{"crosswalk_" + n, "which ID in which system is which key", tables.Crosswalk(n), false},
			View{"tombstones_" + n, "keys that are deleted, and the IDs they had", tables.Tombstones(n), false})
		for _, s := range e.Streams {
			id := pipeline.StreamID{Entity: n, System: s.System}
			t := tables.Replica(id, replica.Columns(s.Extract.Fields))
			out = append(out,
				View{"replica_" + n + "_" + s.System, "what " + s.System + " shows now", t, false},
				View{"history_" + n + "_" + s.System, "everything " + s.System + " ever said, in order of _seq, _ord, _pos", t, true})
		}
	}
	return append(out,
		View{"journal", "every request and what became of it", tables.Journal(), true},
		View{"findings", "what a person should know", tables.Findings(), false},
		View{"differences", "pairs that stay apart, and why", tables.Differences(), false},
		View{"holds", "what waits for a person, with every side", tables.Holds(), false},
		View{"dead_letters", "records that do not fit their types", tables.DeadLetters(), false},
		View{"decisions", "what people decided", tables.Decisions(), false},
		View{"runs", "every run", tables.Runs(), false},
		View{"metrics", "the figures of every run", tables.Metrics(), true},
		View{"checkpoints", "where every partition and reader stands", tables.Checkpoints(), false})
}

// Bind makes the views in a session.
func Bind(ctx context.Context, session *duck.Session, views []View) error {
	for _, v := range views {
		var err error
		if v.Every {
			err = session.Rows(ctx, v.Table, v.Name)
		} else {
			err = session.Current(ctx, v.Table, v.Name)
		}
		if err != nil {
			return fmt.Errorf("view %s: %w", v.Name, err)
		}
	}
	return nil
}

// Columns lists the columns of a view with their types, for people.
func (v View) Columns() []string {
	out := make([]string, len(v.Table.Columns))
	for i, c := range v.Table.Columns {
		out[i] = c.Name + " " + c.Type.DuckDB()
	}
	return out
}

// Choose finds the open changes that are named by plan, by change (a prefix of
// eight or more characters is enough), or by SQL over the columns of changes.
func Choose(ctx context.Context, session *duck.Session, project *config.Project, names []string, where string) ([]Change, error) {
	open, err := Changes(ctx, session, project, Filter{Open: true})
	if err != nil {
		return nil, err
	}
	matches := map[string]bool{}
	if where != "" {
		if matches, err = matching(ctx, session, project, where); err != nil {
			return nil, err
		}
	}
	var out []Change
	for _, c := range open {
		if c.State != tables.ChangePlanned && c.State != tables.ChangeHeld && c.State != tables.ChangeReady {
			continue
		}
		named := slices.ContainsFunc(names, func(n string) bool {
			return n == c.Plan || n == c.ID || len(n) >= 8 && strings.HasPrefix(c.ID, n)
		})
		if named || matches[c.ID] {
			out = append(out, c)
		}
	}
	return out, nil
}

func matching(ctx context.Context, session *duck.Session, project *config.Project, where string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, e := range project.Entities {
		if err := session.Current(ctx, tables.Changes(e.Name), "changes"); err != nil {
			return nil, err
		}
		rows, err := session.Query(ctx, "SELECT change FROM changes WHERE (\n"+where+"\n)") // lines of its own: an error points into it
		if err != nil {
			return nil, fmt.Errorf("the condition: %w", err)
		}
		if err := eachRow(rows, func(row map[string]any) { out[show(row["change"])] = true }); err != nil {
			return nil, err
		}
	}
	return out, nil
}
