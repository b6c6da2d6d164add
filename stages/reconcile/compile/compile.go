// Package compile turns an entity of the project file into SQL: its mappings,
// scopes and rules become views and small tables, over which the statements of
// reconcile are static. The project's expressions enter SQL here and nowhere
// else. It must never decide who is right.
package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
)

// Entity is an entity as reconcile computes with it. It is read-only.
type Entity struct {
	Name    string
	Fields  []config.EntityField
	Systems []System
	Resolve config.Resolve
	Groups  [][]string
	Checks  []Bound // conditions over golden, by name
}

// System is one stream of the entity, bound: every expression has its type and
// the columns that it reads.
type System struct {
	Name    string
	Columns []schemas.Field // the stream's, in declared order
	Maps    []Bound         // entity fields that it maps, in the entity's order
	Writes  []Bound         // columns that it writes, in declared order
	Scope   string          // SQL over entity fields; "true" without one
	Scoped  []string        // entity fields that the scope reads
	Write   *config.Write   // nil: only read
	Timed   bool            // its versions are times: when a record was changed
}

// Bound is an expression whose result becomes a value of Name.
type Bound struct {
	Name   string
	Type   schemas.Type // of Name
	SQL    string
	Source string       // DuckDB's type of the expression
	Reads  []string     // columns that it reads, sorted
	Steps  []string     // normalization of entity fields
	Column bool         // it is a column as it is
	Loss   *config.Loss // of a field that is mapped as it is: equal after it is equal
}

// New binds an entity's expressions. binder types them in DuckDB; an error
// names the expression by file, line and column.
func New(binder Binder, entity config.Entity) (*Entity, error) {
	e := &Entity{Name: entity.Name, Fields: entity.Fields, Resolve: entity.Resolve, Groups: entity.Groups}
	for _, c := range entity.Checks {
		b, err := binder.bind(c.Expr, entityColumns(entity.Fields))
		if err != nil {
			return nil, fmt.Errorf("%s: check %s: %w", entity.Name, c.Name, err)
		}
		b.Name = c.Name
		e.Checks = append(e.Checks, b)
	}
	for _, stream := range entity.Streams {
		s, err := newSystem(binder, entity, stream)
		if err != nil {
			return nil, fmt.Errorf("%s@%s: %w", entity.Name, stream.System, err)
		}
		e.Systems = append(e.Systems, s)
	}
	return e, nil
}

func newSystem(binder Binder, entity config.Entity, stream config.Stream) (System, error) {
	s := System{Name: stream.System, Columns: stream.Extract.Fields, Scope: "true", Write: stream.Write, Timed: timed(stream.Extract)}
	columns := StreamColumns(stream.Extract.Fields)
	for _, f := range entity.Fields {
		expr, ok := mappingOf(f.Name, stream)
		if !ok {
			continue
		}
		b, err := binder.bind(expr, columns)
		if err != nil {
			return System{}, err
		}
		b.Name, b.Type, b.Steps = f.Name, f.Type, f.Normalize
		b.Loss = lossOf(b, stream)
		s.Maps = append(s.Maps, b)
	}
	if stream.Write == nil {
		return s, nil
	}
	return s, s.bindWrites(binder, entity, *stream.Write)
}

// timed reports whether the stream's version is a time, and no mere counter.
func timed(x config.Extract) bool {
	return slices.ContainsFunc(x.Fields, func(f schemas.Field) bool { return f.Name == x.Version && f.Type.Kind == schemas.Timestamp })
}

// lossOf is the declared loss of the field that an expression is, as it is.
func lossOf(b Bound, stream config.Stream) *config.Loss {
	if stream.Write == nil || !b.Column {
		return nil
	}
	if loss, ok := stream.Write.Lossy[b.Reads[0]]; ok {
		return &loss
	}
	return nil
}

// mappingOf is the expression for an entity field: what map says, else the
// stream's field of the same name.
func mappingOf(field string, stream config.Stream) (config.Expr, bool) {
	for _, m := range stream.Map {
		if m.Name == field {
			return m.Expr, true
		}
	}
	for _, f := range stream.Extract.Fields {
		if f.Name == field {
			return config.Expr{SQL: quote(field), At: stream.At}, true
		}
	}
	return config.Expr{}, false
}

func (s *System) bindWrites(binder Binder, entity config.Entity, write config.Write) error {
	columns := entityColumns(entity.Fields)
	if write.Scope != nil {
		b, err := binder.bind(*write.Scope, columns)
		if err != nil {
			return err
		}
		s.Scope, s.Scoped = b.SQL, b.Reads
	}
	for _, f := range s.Columns {
		expr, ok := writeOf(f, entity, write)
		if !ok {
			continue
		}
		b, err := binder.bind(expr, columns)
		if err != nil {
			return err
		}
		b.Name, b.Type = f.Name, f.Type
		s.Writes = append(s.Writes, b)
	}
	for _, m := range write.Fields {
		if !slices.ContainsFunc(s.Columns, func(f schemas.Field) bool { return pathOf(f) == m.Name }) {
			return fmt.Errorf("%s: write.fields: %q is the path of none of the stream's fields, so what was written could never be compared; declare it in extract.fields",
				place(m.Expr.At), m.Name)
		}
	}
	return nil
}

// writeOf is the expression for a stream field: what write.fields says of its
// path; without write.fields, the entity field of the same name.
func writeOf(f schemas.Field, entity config.Entity, write config.Write) (config.Expr, bool) {
	for _, m := range write.Fields {
		if m.Name == pathOf(f) {
			return m.Expr, true
		}
	}
	if len(write.Fields) > 0 {
		return config.Expr{}, false
	}
	same := slices.ContainsFunc(entity.Fields, func(e config.EntityField) bool { return e.Name == f.Name })
	return config.Expr{SQL: quote(f.Name), At: write.At}, same
}

func pathOf(f schemas.Field) string {
	if f.Path == "" {
		return f.Name
	}
	return f.Path
}

// StreamColumns are a stream's fields as columns.
func StreamColumns(fields []schemas.Field) []schemas.Column {
	columns := make([]schemas.Column, len(fields))
	for i, f := range fields {
		columns[i] = schemas.Column{Name: f.Name, Type: f.Type}
	}
	return columns
}

func entityColumns(fields []config.EntityField) []schemas.Column {
	columns := make([]schemas.Column, len(fields))
	for i, f := range fields {
		columns[i] = schemas.Column{Name: f.Name, Type: f.Type}
	}
	return columns
}

func place(at config.Position) string { return fmt.Sprintf("%s:%d:%d", at.File, at.Line, at.Column) }

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Literal is text as an SQL literal.
func Literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
