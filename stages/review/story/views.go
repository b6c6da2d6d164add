package story

import (
	"context"
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/sql"
)

// View is something that queries can ask.
type View struct {
	Name    string   `json:"name"`
	Shows   string   `json:"shows"`
	Stored  bool     `json:"stored"` // a table as it is stored; else a view over all entities
	Columns []Column `json:"columns"`
}

// Column is a column of a view.
type Column struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // of DuckDB
	Means string `json:"means,omitempty"`
}

// viewNames are the views of sql/views, those that people ask most first.
func viewNames() []string {
	return []string{"golden", "current", "history", "conflicts", "changes", "outcomes", "findings", "differences", "holds",
		"decisions", "runs", "metrics", "dead_letters", "checkpoints", "crosswalk", "tombstones"}
}

// Bind makes everything that queries see in a session.
func Bind(ctx context.Context, session *duck.Session, sources []Source) error {
	if err := bindSources(ctx, session, sources); err != nil {
		return err
	}
	for _, name := range viewNames() {
		if err := bindView(ctx, session, name); err != nil {
			return err
		}
	}
	return nil
}

// bindView makes one view over relations that bindSources made.
func bindView(ctx context.Context, session *duck.Session, name string) error {
	text, err := queries.Text("views/" + name + ".sql")
	if err != nil {
		return err
	}
	if err := session.Exec(ctx, "CREATE OR REPLACE TEMP VIEW "+duck.Quote(name)+" AS\n"+text); err != nil {
		return fmt.Errorf("view %s: %w", name, err)
	}
	return nil
}

// Describe says what a session has in which Bind was called: the views, then the
// tables as they are stored.
func Describe(ctx context.Context, session *duck.Session, sources []Source) ([]View, error) {
	var out []View
	for _, name := range viewNames() {
		text, err := queries.Text("views/" + name + ".sql")
		if err != nil {
			return nil, err
		}
		shows, means := documentation(text)
		v := View{Name: name, Shows: shows}
		if v.Columns, err = columnsOf(ctx, session, name, means); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	for _, s := range sources {
		if strings.HasPrefix(s.Name, "_") {
			continue
		}
		v := View{Name: s.Name, Shows: s.Shows, Stored: true}
		for _, c := range s.Table.Columns {
			v.Columns = append(v.Columns, Column{Name: c.Name, Type: c.Type.DuckDB()})
		}
		out = append(out, v)
	}
	return out, nil
}

func columnsOf(ctx context.Context, session *duck.Session, view string, means map[string]string) ([]Column, error) {
	rows, err := session.Query(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+duck.Quote(view)+")")
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", view, err)
	}
	defer rows.Close()
	var out []Column
	for rows.Next() {
		var c Column
		if err := rows.Scan(&c.Name, &c.Type); err != nil {
			return nil, fmt.Errorf("view %s: %w", view, err)
		}
		c.Type = strings.Replace(c.Type, "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", 1) // as tables say it
		c.Means = means[c.Name]
		out = append(out, c)
	}
	return out, rows.Err()
}

// documentation reads the comment that a view's file begins with: what the view
// shows, an empty line, and a line "name: meaning" for each column.
func documentation(text string) (shows string, means map[string]string) {
	means = map[string]string{}
	below := false
	for line := range strings.Lines(text) {
		line, is := strings.CutPrefix(strings.TrimSpace(line), "--")
		if !is {
			break
		}
		line = strings.TrimSpace(line)
		name, meaning, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			below = true
		case below:
			means[name] = meaning
		default:
			shows = strings.TrimSpace(shows + " " + line)
		}
	}
	return shows, means
}
