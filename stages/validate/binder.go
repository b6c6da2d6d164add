package validate

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the driver "duckdb"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
	queries "github.com/trueup-data/trueup/sql"
)

// Binder binds expressions in a DuckDB of its own, in memory, that can reach
// nothing outside. It is for one goroutine; Close it.
type Binder struct {
	db        *sql.DB
	conn      *sql.Conn
	functions functions
	treeSQL   string

	owner   string // whose fields the columns are, for messages
	columns []schemas.Column
}

// row is the table that stands for one record: the declared fields, all null.
const row = "_row"

// Open starts a Binder.
func Open(ctx context.Context) (*Binder, error) {
	b := &Binder{}
	if err := b.open(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start DuckDB to check expressions: %w", err)
	}
	return b, nil
}

func (b *Binder) open(ctx context.Context) (err error) {
	if b.db, err = sql.Open("duckdb", ""); err != nil {
		return err
	}
	if b.conn, err = b.db.Conn(ctx); err != nil {
		return err
	}
	if b.treeSQL, err = queries.Text("validate/tree.sql"); err != nil {
		return err
	}
	catalog, err := queries.Text("validate/functions.sql")
	if err != nil {
		return err
	}
	if b.functions, err = readFunctions(ctx, b.conn, catalog); err != nil {
		return err
	}
	session, err := queries.Text("validate/session.sql")
	if err != nil {
		return err
	}
	_, err = b.conn.ExecContext(ctx, session)
	return err
}

// Close ends the Binder; it may be called twice.
func (b *Binder) Close() {
	if b.conn != nil {
		b.conn.Close()
	}
	if b.db != nil {
		_ = b.db.Close() // nothing in memory is worth keeping
	}
}

// Columns says which columns the next expressions see; owner is whose they are,
// such as "bookings@airbnb".
func (b *Binder) Columns(ctx context.Context, owner string, columns []schemas.Column) error {
	b.owner, b.columns = owner, columns
	var defs, nulls []string
	for _, c := range columns {
		defs = append(defs, quote(c.Name)+" "+c.Type.DuckDB())
		nulls = append(nulls, "NULL")
	}
	_, err := b.conn.ExecContext(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (%s); INSERT INTO %s VALUES (%s)",
		row, strings.Join(defs, ", "), row, strings.Join(nulls, ", ")))
	if err != nil {
		return fmt.Errorf("declare the fields of %s: %w", owner, err)
	}
	return nil
}

// Bind checks one expression: its syntax, the names and functions in it, its
// type, and that it can be evaluated at all. The problems are the file's; the
// error is ours.
func (b *Binder) Bind(ctx context.Context, e config.Expr, want Want) (Bound, config.Problems, error) {
	tree, problem, err := b.parse(ctx, e)
	if err != nil || problem != nil {
		return Bound{}, problem, err
	}
	w := walker{expr: e, owner: b.owner, columns: b.columns, functions: b.functions, parse: func(sql string) (any, bool) {
		t, bad, err := b.parse(ctx, config.Expr{SQL: sql})
		return t, err == nil && bad == nil
	}}
	w.visit(tree, len(open), nil)
	if w.runDate && want.timeless != "" {
		w.report(w.runDateAt, "run_date() cannot be part of "+want.timeless, "it is computed when a record is read, and must not change with the day", "leave it out")
	}
	w.results(tree, want)
	if len(w.problems) > 0 {
		return Bound{}, w.problems, nil
	}
	bound := Bound{Reads: w.reads(), RunDate: w.runDate}
	bound.Type, problem, err = b.typed(ctx, e, tree, want)
	if ctx.Err() != nil { // then what DuckDB says is not about the file
		return Bound{}, nil, ctx.Err()
	}
	return bound, problem, err
}

// typed gives the result's type, and evaluates the expression once over nulls, so
// that a text which can never be cast is seen now.
func (b *Binder) typed(ctx context.Context, e config.Expr, tree any, want Want) (string, config.Problems, error) {
	var got string
	const before = "SELECT column_type FROM (DESCRIBE " + open
	statement := before + e.SQL + closing + " FROM " + row + ")" //nolint:gosec // the file's own SQL, found above to be one pure expression
	if err := b.conn.QueryRowContext(ctx, statement).Scan(&got); err != nil {
		return "", b.reject(e, err, len(before)), nil
	}
	if !isNull(tree) {
		if why, help := want.refuse(got); why != "" {
			return "", config.Problems{config.Problem(e.At, "the result has the wrong type", why, help)}, nil
		}
	}
	cast := got
	if !want.condition {
		cast = want.typ.DuckDB()
		if !b.castable(ctx, got, cast) {
			return "", config.Problems{config.Problem(e.At, "the result has the wrong type", "it gives "+got+", and no "+want.typ.String()+" can be made of it", "")}, nil
		}
	}
	return got, b.evaluated(ctx, e, cast), nil
}

func (b *Binder) evaluated(ctx context.Context, e config.Expr, cast string) config.Problems {
	const before = "SELECT CAST("
	var value any
	statement := before + "(" + e.SQL + closing + " AS " + cast + ") FROM " + row
	if err := b.conn.QueryRowContext(ctx, statement).Scan(&value); err != nil {
		return b.reject(e, err, len(before)+1)
	}
	return nil
}

// samples are values whose cast shows whether their type has a cast at all:
// DuckDB says so only when it meets a value that is not null.
var samples = map[string]string{
	"DATE": "'2000-01-01'", "TIME": "'00:00:00'", "TIMESTAMP": "'2000-01-01'", "TIMESTAMP WITH TIME ZONE": "'2000-01-01'",
	"BOOLEAN": "'true'", "INTERVAL": "'1 day'", "UUID": "'00000000-0000-0000-0000-000000000000'", "BIGINT": "'1'", "DOUBLE": "'1'",
}

func (b *Binder) castable(ctx context.Context, from, to string) bool {
	sample, ok := samples[from]
	if !ok {
		return true
	}
	var value any
	err := b.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT CAST(CAST(%s AS %s) AS %s)", sample, from, to)).Scan(&value)
	return err == nil || !strings.Contains(err.Error(), "Unimplemented type for cast")
}

// open and closing stand around an expression. The line break ends a comment.
const (
	open    = "SELECT ("
	closing = "\n)"
)

// quote makes an identifier of a declared name, which has no quotes in it.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
