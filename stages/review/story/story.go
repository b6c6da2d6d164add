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

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
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
	By      string             `json:"by,omitempty"` // with Planned: who changed it, by which rule, over whom
	Rule    string             `json:"rule,omitempty"`
	Over    string             `json:"over,omitempty"`
	Word    *Word              `json:"decision,omitempty"` // what a person said of an open change
}

// Filter chooses changes; empty fields do not filter.
type Filter struct {
	Entity, System, State, Key string
	Open                       bool // only what is not finished
}

// Changes lists changes by entity, system, operation and key; an empty list is not nil.
func Changes(ctx context.Context, session *duck.Session, project *config.Project, f Filter) ([]Change, error) {
	said, err := latestWords(ctx, session)
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

// matching are the changes that a condition over the view changes names: its
// columns are those that query --describe lists.
func matching(ctx context.Context, session *duck.Session, project *config.Project, where string) (map[string]bool, error) {
	sources := slices.DeleteFunc(Sources(project), func(s Source) bool { return s.Part != "_changes" })
	if err := bindSources(ctx, session, sources); err != nil {
		return nil, err
	}
	if err := bindView(ctx, session, "changes"); err != nil {
		return nil, err
	}
	rows, err := session.Query(ctx, "SELECT change FROM changes WHERE (\n"+where+"\n)") // lines of its own: an error points into it
	if err != nil {
		return nil, fmt.Errorf("the condition: %w", err)
	}
	out := map[string]bool{}
	return out, eachRow(rows, func(row map[string]any) error { out[show(row["change"])] = true; return nil })
}
