package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

// desk is the application name under which people edit; what the log of edits
// holds under another was done by the program under test.
const desk = "desk"

// pms is a PostgreSQL of its own with the table of bookings. People edit with psql.
type pms struct {
	dsn    string
	client string         // psql
	conn   *pgconn.PgConn // to look
	edits  int64          // of the log, that were counted
}

// startPMS starts PostgreSQL over some bookings.
func startPMS(t testing.TB, seeds contents) *pms {
	t.Helper()
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	database := server.Database(t)
	p := &pms{dsn: server.DSN(database), client: psql(t)}
	schema, err := os.ReadFile(filepath.Join(moduleRoot(t), "testdata", "integration", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.Write(schema)
	for _, code := range seeds.codes() {
		script.WriteString(insertion(seeds[code]))
	}
	fmt.Fprintf(&script, "ALTER TABLE bookings DISABLE TRIGGER stamp;\n"+
		"UPDATE bookings SET updated_at = now() - interval '%d seconds' + id * interval '20 minutes';\n"+
		"ALTER TABLE bookings ENABLE TRIGGER stamp;\n", int(seedAge.Seconds()))
	p.psql(t, script.String())
	p.conn = server.Connect(t, database)
	return p
}

// psql finds the program: on the path, or where Debian keeps it.
func psql(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("psql"); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	if err != nil || len(found) == 0 {
		t.Fatal("psql was not found; run: make setup")
	}
	return found[len(found)-1]
}

// column is a value of a field, for a statement.
func column(field string, v *string) string {
	if v == nil {
		return "NULL"
	}
	quoted := "'" + strings.ReplaceAll(*v, "'", "''") + "'"
	switch field {
	case "arrival", "departure":
		return "date " + quoted
	case "adults", "children", "rate", "prepaid":
		return *v
	}
	return quoted
}

func insertion(b booking) string {
	fields := fieldsOfBooking()
	values := make([]string, len(fields))
	for i, f := range fields {
		values[i] = column(f, b[f])
	}
	return fmt.Sprintf("INSERT INTO bookings (%s) VALUES (%s);\n", strings.Join(fields, ", "), strings.Join(values, ", "))
}

// psql runs a script as a person does.
func (p *pms) psql(t testing.TB, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.client, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--single-transaction", "--file", "-", p.dsn) //nolint:gosec // a database of this test
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PGAPPNAME=" + desk, "PGCLIENTENCODING=UTF8"}
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s\n%.2000s", err, out, script)
	}
}

// edit changes columns of a row, by its code.
func (p *pms) edit(t testing.TB, code string, changes booking) {
	t.Helper()
	var set []string
	for f, v := range changes {
		set = append(set, f+" = "+column(f, v))
	}
	p.psql(t, fmt.Sprintf("UPDATE bookings SET %s WHERE code = %s;", strings.Join(set, ", "), column("code", &code)))
}

func (p *pms) add(t testing.TB, b booking) {
	t.Helper()
	p.psql(t, insertion(b))
}

func (p *pms) remove(t testing.TB, code string) {
	t.Helper()
	p.psql(t, fmt.Sprintf("DELETE FROM bookings WHERE code = %s;", column("code", &code)))
}

// rows looks at the database; null is nil.
func (p *pms) rows(t testing.TB, query string) [][]*string {
	t.Helper()
	results, err := p.conn.Exec(context.WithoutCancel(t.Context()), query).ReadAll()
	if err != nil || len(results) != 1 {
		t.Fatalf("%s: %v", query, err)
	}
	out := make([][]*string, len(results[0].Rows))
	for i, row := range results[0].Rows {
		out[i] = make([]*string, len(row))
		for j, v := range row {
			if v != nil {
				out[i][j] = value(string(v))
			}
		}
	}
	return out
}

// contents reads every booking.
func (p *pms) contents(t testing.TB) contents {
	t.Helper()
	fields, out := fieldsOfBooking(), contents{}
	for _, row := range p.rows(t, "SELECT "+strings.Join(fields, ", ")+" FROM bookings") {
		b := booking{}
		for i, f := range fields {
			b[f] = row[i]
		}
		b["prepaid"] = value(strconv.FormatBool(*b["prepaid"] == "t"))
		out[*b["code"]] = b
	}
	return out
}

// versions changes with anything that happens to any row: who wrote it last, when.
func (p *pms) versions(t testing.TB) string {
	t.Helper()
	return *p.rows(t, `SELECT count(*) || ' rows, last edit ' || max(updated_at) || ', ' ||
		md5(string_agg(id || ':' || xmin || ':' || updated_at, ',' ORDER BY id)) FROM bookings`)[0][0]
}

// taken are the effects of the program under test since they were last taken.
func (p *pms) taken(t testing.TB) effects {
	t.Helper()
	var n effects
	for _, row := range p.rows(t, fmt.Sprintf("SELECT seq, op FROM edits WHERE seq > %d AND who <> '%s' ORDER BY seq", p.edits, desk)) {
		p.edits = *number(t, row[0])
		switch *row[1] {
		case "insert":
			n.created++
		case "update":
			n.updated++
		case "delete":
			n.deleted++
		}
	}
	return n
}
