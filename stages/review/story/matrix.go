package story

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/schemas"
)

// States of a cell: how a field of a record stands in a system.
const (
	Agreed  = "agreed"     // the system shows golden's value
	Pending = "pending"    // a change is on its way, or waits for its plan
	Held    = "held"       // a person decides
	Apart   = "difference" // known to differ, and why
	Unknown = "unknown"    // what the system holds is not known now, and why
	Differs = "differs"    // not the same, and not judged yet
	Absent  = ""           // the system does not have the field, or the record
)

// Cell is a field of a record in a system.
type Cell struct {
	State string  `json:"state,omitempty"`
	Value *string `json:"value"` // as the entity has it; null: none
	Why   string  `json:"why,omitempty"`
}

// Side is a system's part of a record.
type Side struct {
	System   string `json:"system"`
	ID       string `json:"id,omitempty"` // of its record; several of one key stand between blanks
	Standing string `json:"standing"`     // live, gone, missing, moved, or none: it never had the key
	State    string `json:"state,omitempty"`
	Why      string `json:"why,omitempty"` // of the record as a whole
}

// FieldRow is a field of a record, in golden and in each system.
type FieldRow struct {
	Field  string          `json:"field"`
	Golden *string         `json:"golden"`
	Source string          `json:"source,omitempty"` // where golden's value came from
	Cells  map[string]Cell `json:"cells"`            // by system
}

// matrix fills in how each field stands in each system.
func (r *Record) matrix(ctx context.Context, session *duck.Session, project *config.Project, e config.Entity) error {
	for _, f := range e.Fields {
		row := FieldRow{Field: f.Name, Source: r.sources[f.Name], Cells: map[string]Cell{}}
		if v, set := r.Golden[f.Name]; set {
			row.Golden = &v
		}
		r.Fields = append(r.Fields, row)
	}
	for _, s := range e.Streams {
		side, err := r.side(ctx, session, e, s)
		if err != nil {
			return err
		}
		r.Sides = append(r.Sides, side)
	}
	if err := r.apart(ctx, session, project, e); err != nil {
		return err
	}
	return r.unfinished(ctx, session, project, e)
}

// side reads what a system shows of the record, and compares it with golden.
func (r *Record) side(ctx context.Context, session *duck.Session, e config.Entity, s config.Stream) (Side, error) {
	side := Side{System: s.System, Standing: "none"}
	var mapped, columns []string
	var fields []config.EntityField
	for _, m := range s.Map {
		i := slices.IndexFunc(e.Fields, func(f config.EntityField) bool { return f.Name == m.Name })
		if i < 0 {
			continue
		}
		f, n := e.Fields[i], len(fields)
		fields = append(fields, f)
		mapped = append(mapped, fmt.Sprintf("TRY_CAST(%s AS %s) AS _m%d", schemas.NormalizeSQL("TRY("+m.Expr.SQL+")", f.Normalize), f.Type.DuckDB(), n))
		columns = append(columns, fmt.Sprintf("_m%d::VARCHAR, _m%d IS NOT DISTINCT FROM g.%s", n, n, duck.Quote(f.Name)))
	}
	from := duck.Quote("current_" + e.Name + "_" + s.System)
	rows, err := session.Query(ctx, "SELECT "+strings.Join(append([]string{"_id", "_op"}, columns...), ", ")+
		" FROM (SELECT _key, _id, _op, "+strings.Join(mapped, ", ")+" FROM "+from+" WHERE _key = $1) LEFT JOIN golden g USING (_key) ORDER BY _id", r.Key)
	if err != nil {
		return side, fmt.Errorf("what %s shows: %w", s.System, err)
	}
	defer rows.Close()
	live := 0
	for rows.Next() {
		var id, op string
		values, equal := make([]*string, len(fields)), make([]bool, len(fields))
		into := []any{&id, &op}
		for i := range fields {
			into = append(into, &values[i], &equal[i])
		}
		if err := rows.Scan(into...); err != nil {
			return side, fmt.Errorf("what %s shows: %w", s.System, err)
		}
		switch standing := standingOf(op); {
		case standing == "live":
			live++
			side.ID, side.Standing = strings.TrimSpace(side.ID+" "+id), standing
			r.compare(s.System, fields, values, equal)
		case live == 0:
			side.ID, side.Standing = id, standing
		}
	}
	switch {
	case live > 1:
		side.State, side.Why = Unknown, "two of its records have this key"
	case side.Standing == "missing":
		side.State, side.Why = Unknown, "a sweep did not show it, and nothing proves that it is gone"
	}
	return side, rows.Err()
}

func standingOf(op string) string {
	switch pipeline.Op(op) {
	case pipeline.Upsert, pipeline.Touch:
		return "live"
	case pipeline.Delete:
		return "gone"
	}
	return op
}

// compare fills the cells of a system that shows the record.
func (r *Record) compare(system string, fields []config.EntityField, values []*string, equal []bool) {
	for i, f := range fields {
		row := r.row(f.Name)
		cell := Cell{State: Differs, Value: values[i], Why: "the next run judges it"}
		if equal[i] && r.Live {
			cell = Cell{State: Agreed, Value: values[i]}
		}
		row.Cells[system] = cell
	}
}

// row is that of a field; fields of the project are all there.
func (r *Record) row(field string) *FieldRow {
	for i := range r.Fields {
		if r.Fields[i].Field == field {
			return &r.Fields[i]
		}
	}
	return &FieldRow{Cells: map[string]Cell{}}
}

// mark gives the cells of a system's field, or of all its fields, a state, unless
// they agree or have a graver one.
func (r *Record) mark(system, field, state, why string) {
	for i := range r.Sides {
		side := &r.Sides[i]
		if system != "" && side.System != system {
			continue
		}
		if field == "" && graver(state, side.State) {
			side.State, side.Why = state, why
		}
		for _, row := range r.Fields {
			cell, there := row.Cells[side.System]
			meant := row.Field == field || field == "" && cell.State == Differs
			if there && meant && (cell.State != Agreed || state == Held) && graver(state, cell.State) {
				row.Cells[side.System] = Cell{State: state, Value: cell.Value, Why: why}
			}
		}
	}
}

// graver orders the states: what a person should see first wins.
func graver(a, b string) bool {
	order := []string{Absent, Agreed, Differs, Apart, Pending, Held, Unknown}
	return slices.Index(order, a) > slices.Index(order, b)
}

// apart marks what is held, unreadable, or known to differ.
func (r *Record) apart(ctx context.Context, session *duck.Session, project *config.Project, e config.Entity) error {
	rows, err := ask(ctx, session, "review/apart_of.sql", r.Entity, r.Key)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var what, system, field, why string
		if err := rows.Scan(&what, &system, &field, &why); err != nil {
			return fmt.Errorf("what is apart: %w", err)
		}
		fields := []string{field}
		if !slices.ContainsFunc(e.Fields, func(f config.EntityField) bool { return f.Name == field }) {
			fields = behind(project, r.Entity, system, field)
		}
		if field == "" || what == Unknown {
			fields = []string{""}
		}
		for _, f := range fields {
			r.mark(system, f, what, why)
		}
	}
	return rows.Err()
}

// unfinished marks what changes are on their way.
func (r *Record) unfinished(ctx context.Context, session *duck.Session, project *config.Project, e config.Entity) error {
	rows, err := ask(ctx, session, "review/open_of.sql", r.Key)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var system, op, state, reason, after string
		if err := rows.Scan(&system, &op, &state, &reason, &after); err != nil {
			return fmt.Errorf("what is not finished: %w", err)
		}
		mark, why := Pending, op+" "+state+prefixed(": ", reason)
		switch state {
		case "held":
			mark = Held
		case "sent", "in_doubt":
			mark, why = Unknown, "whether a write arrived is in doubt; the next run reads it back"
		}
		if op != "update" || mark == Unknown {
			r.mark(system, "", mark, why)
			continue
		}
		var values map[string]*string
		if err := json.Unmarshal([]byte(after), &values); err != nil {
			return fmt.Errorf("a change of %s: %w", system, err)
		}
		for col := range values {
			for _, f := range behind(project, r.Entity, system, col) {
				r.mark(system, f, mark, why)
			}
		}
	}
	return rows.Err()
}

// behind are the entity fields that a column of a stream is written from.
func behind(project *config.Project, entity, system, col string) []string {
	var out []string
	for _, s := range serves(project) {
		if s.Entity == entity && s.System == system && s.Col == col {
			out = append(out, s.Field)
		}
	}
	return out
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
