package validate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
)

var fields = []schemas.Column{
	{Name: "state", Type: schemas.Type{Kind: schemas.Enum, Values: []string{"ok", "cancelled"}}},
	{Name: "total_cents", Type: schemas.Type{Kind: schemas.Int64}},
	{Name: "guest", Type: schemas.Type{Kind: schemas.String}},
	{Name: "arrival", Type: schemas.Type{Kind: schemas.Date}},
	{Name: "updated_at", Type: schemas.Type{Kind: schemas.Timestamp}},
	{Name: "extra", Type: schemas.Type{Kind: schemas.JSON}},
	{Name: "price", Type: schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}},
	{Name: "open", Type: schemas.Type{Kind: schemas.Bool}},
}

func binder(t *testing.T) *Binder {
	t.Helper()
	b, err := Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Columns(context.Background(), "bookings@airbnb", fields); err != nil {
		t.Fatal(err)
	}
	return b
}

func wantOf(t *testing.T, text string) Want {
	t.Helper()
	if text == "condition" {
		return Condition()
	}
	typ, err := schemas.ParseType(text)
	if err != nil {
		t.Fatal(err)
	}
	return Value(typ)
}

func bind(t *testing.T, b *Binder, sql string, want Want) (Bound, string) {
	t.Helper()
	bound, problems, err := b.Bind(context.Background(), config.Expr{SQL: sql, At: config.Position{File: "f", Line: 1, Column: 1}}, want)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return bound, problems.Error()
}

func TestWhatAProjectFileMaySay(t *testing.T) {
	b := binder(t)
	for _, c := range []struct{ sql, want, reads string }{
		{"guest", "string", "guest"},
		{`"guest"`, "string", "guest"},
		{"GUEST", "string", "guest"},
		{"'airbnb'", "string", ""},
		{"NULL", "timestamp", ""},
		{"total_cents * 0.01", "decimal(12,2)", "total_cents"},
		{"price * 100", "int64", "price"},
		{"CASE state WHEN 'ok' THEN 'confirmed' ELSE state END", "string", "state"},
		{"CASE WHEN open THEN 'ok' ELSE 'cancelled' END", "enum(ok,cancelled)", "open"},
		{"state IN ('ok')", "condition", "state"},
		{"arrival >= run_date() - 90", "condition", "arrival"},
		{"arrival + INTERVAL 1 DAY", "date", "arrival"},
		{"strptime(guest, '%Y-%m-%d') AT TIME ZONE 'Europe/Lisbon'", "timestamp", "guest"},
		{"updated_at", "timestamp", "updated_at"},
		{"extra ->> '$.city'", "string", "extra"},
		{"extra -> 'city'", "json", "extra"},
		{"to_json([guest, state])", "list(string)", "guest,state"},
		{"list_transform([1, 2], lambda x: x + total_cents)[1]", "int64", "total_cents"},
		{"list_filter([1, 2], y -> y > total_cents)[1]", "int64", "total_cents"},
		{"nullif(trim(guest), '')", "string", "guest"},
		{"split_part(guest, ' ', 1)", "string", "guest"},
		{"coalesce(guest, 'nobody') || ' -- ' || lower(state)", "string", "guest,state"},
		{"guest -- the name\n", "string", "guest"},
		{"TRY(CAST(guest AS BIGINT))", "int64", "guest"},
		{"md5(guest)", "string", "guest"},
		{"age(arrival, arrival)::VARCHAR", "string", "arrival"},
		{"not open and total_cents between 1 and 5", "condition", "open,total_cents"},
	} {
		bound, problems := bind(t, b, c.sql, wantOf(t, c.want))
		if problems != "" {
			t.Errorf("%s: %s", c.sql, problems)
		}
		if got := strings.Join(bound.Reads, ","); got != c.reads {
			t.Errorf("%s reads %s, want %s", c.sql, got, c.reads)
		}
		if bound.RunDate != strings.Contains(c.sql, "run_date") {
			t.Errorf("%s: run date %v", c.sql, bound.RunDate)
		}
	}
}

func TestWhatAProjectFileMayNotSay(t *testing.T) {
	b := binder(t)
	for _, c := range []struct{ sql, want, problem string }{
		{"totl_cents * 0.01", "decimal(12,2)", `f:1:1: "totl_cents" is no field of bookings@airbnb; help: did you mean "total_cents"?`},
		{"guest || zzz || stat", "string", `f:1:10: "zzz" is no field of bookings@airbnb; help: there are state`},
		{"lowr(guest)", "string", `f:1:1: there is no function lowr; help: did you mean "lower"?`},
		{"guest +", "string", `f:1:8: this is not an SQL expression (it ends too early)`},
		{"guest guest guest", "string", `f:1:7: this is not an SQL expression (syntax error at or near "guest")`},
		{"guest || 'x", "string", `this is not an SQL expression (unterminated quoted string`},
		{"guest, state", "string", "this is more than one expression"},
		{"guest) FROM (SELECT 1", "string", "f:1:"},
		{"guest), (state", "string", "this is more than one expression"},
		{"guest FROM x", "string", "f:1:7: this is not an SQL expression"},
		{"guest AS g", "string", "f:1:7: this is not an SQL expression"},
		{"1; SELECT 2", "int64", "this is not an SQL expression"},
		{"total_cents) + (1", "int64", "this is not an SQL expression"},
		{"arrival > now()", "condition", "f:1:11: now() reads the clock (the same commit must always give the same output); help: use run_date()"},
		{"arrival > current_date", "condition", "f:1:11: current_date reads the clock"},
		{"arrival > today()", "condition", "f:1:11: today() reads the clock"},
		{"updated_at > CURRENT_TIMESTAMP", "condition", "f:1:14: CURRENT_TIMESTAMP reads the clock"},
		{"age(updated_at) > INTERVAL 1 DAY", "condition", "f:1:1: age() reads the clock"},
		{"updated_at > ago(INTERVAL 1 DAY)", "condition", "ago() reads the clock"},
		{"localtimestamp", "timestamp", "localtimestamp reads the clock"},
		{"random() < 0.5", "condition", "f:1:1: random() is not the same every time"},
		{"uuid()", "string", "f:1:1: uuid() is not the same every time"},
		{"gen_random_uuid()", "string", "is not the same every time"},
		{"getvariable('x')", "string", "is not the same every time"},
		{"current_setting('threads')", "string", "is not the same every time"},
		{"version()", "string", "is not the same every time"},
		{"current_user", "string", `"current_user" is no field of bookings@airbnb`},
		{"(SELECT max(x) FROM t)", "int64", "a subquery cannot stand here"},
		{"EXISTS (SELECT 1)", "condition", "a subquery cannot stand here"},
		{"guest IN (SELECT 'x')", "condition", "f:1:7: a subquery cannot stand here"},
		{"(SELECT content FROM read_text('/etc/passwd'))", "string", "a subquery cannot stand here"},
		{"read_csv('/etc/passwd')", "string", "f:1:1: read_csv() cannot stand here"},
		{"unnest([1])", "int64", "unnest() cannot stand here"},
		{"get_block_size('x')", "int64", "get_block_size() cannot stand here"},
		{"sum(total_cents)", "int64", "f:1:1: sum() is an aggregate (an expression sees one record)"},
		{"count(*)", "int64", "is an aggregate"},
		{"geomean(total_cents)", "double", "geomean() cannot stand here"},
		{"row_number() OVER ()", "int64", "f:1:1: a window function cannot stand here"},
		{"*", "string", "* cannot stand here"},
		{"COLUMNS(*)", "string", "* cannot stand here"},
		{"$1", "string", "a parameter cannot stand here"},
		{"?", "string", "a parameter cannot stand here"},
		{"#1", "string", "a position cannot stand here"},
		{"guest.name", "string", `f:1:1: "guest" has no fields of its own (string is one value); help: JSON text is taken apart by guest ->> 'name'`},
		{"_row.guest", "string", `"_row.guest" is no field of bookings@airbnb`},
		{"arrival + guest", "date", "f:1:9: the expression cannot be evaluated (No function matches the given name and argument types '+(DATE, VARCHAR)'); help: cast what does not fit"},
		{"DATE '2020-13-01' > arrival", "condition", "the expression cannot be evaluated (date field value out of range"},
		{"'twelve'", "int64", "the expression cannot be evaluated (Could not convert string 'twelve' to INT64"},
		{"arrival", "int64", "f:1:1: the result has the wrong type (it gives DATE, and no int64 can be made of it)"},
		{"open", "date", "it gives BOOLEAN, and no date can be made of it"},
		{"total_cents", "condition", "the result has the wrong type (it gives BIGINT, and a condition is true or false); help: compare it with something"},
		{"arrival", "timestamp", "it gives DATE, which has no zone); help: say in which one"},
		{"strptime(guest, '%Y')", "timestamp", "it gives TIMESTAMP, which has no zone"},
		{"guest", "timestamp", "text may leave out the zone"},
		{"[guest]", "string", "it gives VARCHAR[], and the field is string"},
		{"[guest]", "list(string)", "help: wrap it: to_json(...)"},
		{"{'a': guest}", "json", "is JSON text); help: wrap it: to_json(...)"},
		{"total_cents", "json", "it gives BIGINT, and json is JSON text"},
		{"state = 'canceled'", "condition", `f:1:9: "state" is never 'canceled' (it is one of ok, cancelled); help: did you mean "cancelled"?`},
		{"state IN ('ok', 'gone')", "condition", `f:1:17: "state" is never 'gone'`},
		{"CASE state WHEN 'okay' THEN 1 END", "int64", `f:1:17: "state" is never 'okay'`},
		{"CASE WHEN open THEN 'okay' ELSE 'ok' END", "enum(ok,cancelled)", `f:1:21: the field is never 'okay'`},
		{"coalesce(state, 'none')", "enum(ok,cancelled)", `the field is never 'none'`},
	} {
		_, problems := bind(t, b, c.sql, wantOf(t, c.want))
		if !strings.Contains(problems, c.problem) {
			t.Errorf("%s:\n got  %s\n want %s", c.sql, problems, c.problem)
		}
	}
}

func TestAllNamesThatAreWrongAreReportedAtOnce(t *testing.T) {
	_, problems := bind(t, binder(t), "gest || lowr(stat) || now()", wantOf(t, "string"))
	if got := strings.Count(problems, "f:1:"); got != 4 {
		t.Errorf("%d problems, want 4:\n%s", got, problems)
	}
}

func TestAKeyAndATombstoneDoNotChangeWithTheDay(t *testing.T) {
	for _, what := range []string{"a key", "a tombstone"} {
		_, problems := bind(t, binder(t), "arrival < run_date()", Condition().Timeless(what))
		if !strings.Contains(problems, "f:1:11: run_date() cannot be part of "+what) {
			t.Error(problems)
		}
	}
}

func TestTheSessionReachesNothing(t *testing.T) {
	b := binder(t)
	for _, sql := range []string{"SELECT * FROM read_text('/etc/hostname')", "SET enable_external_access = true", "ATTACH '/tmp/x.db'"} {
		if _, err := b.conn.ExecContext(context.Background(), sql); err == nil {
			t.Errorf("%s passed", sql)
		}
	}
}

// No function of DuckDB that is not known to be consistent can stand in an
// expression, whatever it is called with.
func TestOnlyPureFunctionsPass(t *testing.T) {
	b := binder(t)
	rows, err := b.conn.QueryContext(context.Background(), `SELECT DISTINCT function_name FROM duckdb_functions()
		WHERE regexp_matches(function_name, '^[a-z_0-9]+$') AND (function_type NOT IN ('scalar', 'macro') OR stability <> 'CONSISTENT')
		AND function_name NOT IN (SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar' AND stability = 'CONSISTENT')
		AND function_name NOT IN (SELECT function_name FROM duckdb_functions() WHERE function_type = 'macro')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if len(names) < 150 {
		t.Fatalf("only %d functions looked at", len(names))
	}
	for _, name := range names {
		for _, call := range []string{name + "()", name + "(guest)", "coalesce(guest, " + name + "(1))"} {
			if _, problems := bind(t, b, call, wantOf(t, "string")); problems == "" {
				t.Errorf("%s passed", call)
			}
		}
	}
}

// Random expressions over declared fields never make the checker fail itself,
// and what passes can be evaluated.
func TestBindingNeverFailsItself(t *testing.T) {
	b := binder(t)
	atoms := []string{"guest", "state", "total_cents", "arrival", "'x'", "1", "NULL", "nope", "now()", "run_date()", "extra", "(", ")", ",", "--", "'"}
	joins := []string{" + ", " || ", " = ", " AND ", ", ", "->", "::DATE ", " IN ", " "}
	rapid.Check(t, func(t *rapid.T) {
		var sql strings.Builder
		for i := range rapid.IntRange(1, 5).Draw(t, "parts") {
			if i > 0 {
				sql.WriteString(rapid.SampledFrom(joins).Draw(t, "join"))
			}
			sql.WriteString(rapid.SampledFrom(atoms).Draw(t, "atom"))
		}
		e := config.Expr{SQL: sql.String(), At: config.Position{File: "f", Line: 1, Column: 1}}
		bound, problems, err := b.Bind(context.Background(), e, Value(schemas.Type{Kind: schemas.String}))
		if err != nil {
			t.Fatalf("%s: %v", sql.String(), err)
		}
		for _, p := range problems {
			if c := p.Where.Column; c < 1 || c > len(e.SQL)+1 {
				t.Fatalf("%s: column %d: %v", sql.String(), c, p)
			}
		}
		if len(problems) == 0 && slices.Contains(bound.Reads, "nope") {
			t.Fatal(fmt.Sprint(bound))
		}
	})
}
