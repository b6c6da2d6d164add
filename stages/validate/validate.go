// Package validate binds every expression of a project file in DuckDB, against
// empty tables of the declared types, so that a typo is an error with its line
// and column before any request is sent. It must never read a record, a store or
// a system, and never let an expression pass whose value could depend on
// anything but one record and the run's pinned date.
package validate

import (
	"context"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
)

// Part says which expression of a stream a Binding is.
type Part string

// The parts of a stream that are expressions.
const (
	PartMap       Part = "map"          // Name is the entity field
	PartCovers    Part = "covers"       // a condition over stream fields
	PartTombstone Part = "tombstone"    // a condition over stream fields
	PartScope     Part = "scope"        // a condition over entity fields
	PartWrite     Part = "write.fields" // Name is the path of the system's field
	PartCheck     Part = "checks"       // Name is the check's; a condition over entity fields, of no system
)

// Binding is an expression that binds.
type Binding struct {
	Entity, System string
	Part           Part
	Name           string
	Bound
}

// Bound is what binding an expression showed.
type Bound struct {
	Type    string   // DuckDB's type of the result, before it is cast to the declared one
	Reads   []string // the columns it reads, sorted
	RunDate bool     // it uses run_date(), so its value may change from day to day
}

// Check binds all expressions of a project. The error is config.Problems with
// everything that is wrong, in file order. No record is looked at: what an
// expression gives for a certain one is not judged here.
func Check(ctx context.Context, p *config.Project) error {
	_, err := Bind(ctx, p)
	return err
}

// Bind is Check, and says what each expression reads and gives, in file order of
// the streams.
func Bind(ctx context.Context, p *config.Project) ([]Binding, error) {
	b, err := Open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	c := checker{binder: b}
	for _, ent := range p.Entities {
		for _, st := range ent.Streams {
			if err := c.stream(ctx, ent, st); err != nil {
				return nil, err
			}
		}
		if err := c.checks(ctx, ent); err != nil {
			return nil, err
		}
	}
	return c.bindings, c.problems.Redacted(p.Secrets).Err()
}

type checker struct {
	binder   *Binder
	bindings []Binding
	problems config.Problems
}

// job is one expression to bind.
type job struct {
	part Part
	name string
	expr *config.Expr
	want Want
}

func (c *checker) stream(ctx context.Context, ent config.Entity, st config.Stream) error {
	name := ent.Name + "@" + st.System
	jobs := []job{{PartCovers, "", st.Extract.Covers, Condition()}, {PartTombstone, "", st.Extract.Tombstone, Condition().Timeless("a tombstone")}}
	for _, m := range st.Map {
		if f, ok := ent.Field(m.Name); ok {
			jobs = append(jobs, job{PartMap, m.Name, &m.Expr, mapped(ent, f)})
		}
	}
	if err := c.all(ctx, name, streamColumns(st), ent, st, jobs); err != nil {
		return err
	}
	if st.Write == nil {
		return nil
	}
	jobs = []job{{PartScope, "", st.Write.Scope, Condition()}}
	for _, m := range st.Write.Fields {
		if f, ok := byPath(st, m.Name); ok {
			jobs = append(jobs, job{PartWrite, m.Name, &m.Expr, Value(f.Type)})
		}
	}
	return c.all(ctx, ent.Name, ent.Columns(), ent, st, jobs)
}

// checks binds the entity's own conditions. They judge a merge by the record
// alone: one that changes from day to day would break by itself.
func (c *checker) checks(ctx context.Context, ent config.Entity) error {
	var jobs []job
	for _, check := range ent.Checks {
		jobs = append(jobs, job{PartCheck, check.Name, &check.Expr, Condition().Timeless("a check")})
	}
	return c.all(ctx, ent.Name, ent.Columns(), ent, config.Stream{}, jobs)
}

// mapped is what the mapping of an entity field must give.
func mapped(ent config.Entity, f config.EntityField) Want {
	want := Value(f.Type)
	if len(f.Normalize) > 0 {
		want.literals = false // what is compared with the enum is the normalized text
	}
	for _, k := range ent.Key {
		if k == f.Name {
			return want.Timeless("a key")
		}
	}
	return want
}

func (c *checker) all(ctx context.Context, owner string, columns []schemas.Column, ent config.Entity, st config.Stream, jobs []job) error {
	if err := c.binder.Columns(ctx, owner, columns); err != nil {
		return err
	}
	for _, j := range jobs {
		if j.expr == nil {
			continue
		}
		bound, problems, err := c.binder.Bind(ctx, *j.expr, j.want)
		if err != nil {
			return fmt.Errorf("bind %s %s of %s@%s: %w", j.part, j.name, ent.Name, st.System, err)
		}
		c.problems = append(c.problems, problems...)
		if len(problems) == 0 {
			c.bindings = append(c.bindings, Binding{Entity: ent.Name, System: st.System, Part: j.part, Name: j.name, Bound: bound})
		}
	}
	return nil
}

func streamColumns(st config.Stream) []schemas.Column {
	out := make([]schemas.Column, len(st.Extract.Fields))
	for i, f := range st.Extract.Fields {
		out[i] = schemas.Column{Name: f.Name, Type: f.Type}
	}
	return out
}

func byPath(st config.Stream, path string) (schemas.Field, bool) {
	for _, f := range st.Extract.Fields {
		if f.Path == path || (f.Path == "" && f.Name == path) {
			return f, true
		}
	}
	return schemas.Field{}, false
}
