package postgres

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

// server is the cluster of this test binary; it starts with the first test that
// asks for it.
var server = sync.OnceValues(pgtest.Start)

func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "25"); err != nil { // each case is some dozen round trips to a server
			panic(err)
		}
	}
	code := m.Run()
	if s, err := server(); err == nil {
		s.Stop()
	}
	os.Exit(code)
}

// world is a database of one test.
type world struct {
	t      testing.TB
	server *pgtest.Server
	name   string
	conn   *pgconn.PgConn
}

func newWorld(t testing.TB, statements string) *world {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: s, name: s.Database(t)}
	w.conn = s.Connect(t, w.name)
	if statements != "" {
		w.exec(statements)
	}
	return w
}

func (w *world) exec(statements string) [][]string {
	w.t.Helper()
	return pgtest.Exec(w.t, w.conn, statements)
}

func (w *world) dsn() string { return w.server.DSN(w.name) }

// parts are the pieces of a project file that tests vary.
type parts struct {
	system, key, fields, source, incremental, extract, mapped, write string
}

func (p parts) yaml(dsn string) string {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&p.fields, "{id: string, code: string, note: string, cents: int64, updated_at: timestamp}")
	def(&p.source, "table: items")
	def(&p.key, "[id]")
	entity := "code: string" // and those of the fields that a write sends
	for _, f := range []string{"note: string", "cents: int64"} {
		if strings.Contains(p.fields, f) {
			entity += ", " + f
		}
	}
	lines := []string{
		"version: 1", "name: test", "systems:", "  shop:",
		"    postgres: {dsn: \"" + dsn + "\"" + p.system + "}",
		"    limits: {requests_per_second: 100000, burst: 1000, concurrency: 8, timeout: 5s}",
		"entities:", "  items:", "    key: [code]", "    fields: {" + entity + "}",
		"    streams:", "      shop:", "        extract:", "          " + p.source,
		"          primary_key: " + p.key, "          fields: " + p.fields,
	}
	if p.incremental != "none" {
		def(&p.incremental, "{cursor_field: updated_at, lookback_window: 0s}")
		lines = append(lines, "          incremental: "+p.incremental)
	}
	if p.extract != "" {
		lines = append(lines, "          "+p.extract)
	}
	if p.mapped != "" {
		lines = append(lines, "        map: "+p.mapped)
	}
	if p.write != "" {
		lines = append(lines, "        write: "+p.write)
	}
	return strings.Join(append(lines, "    resolve: {default: {authority: shop}}", ""), "\n")
}

const writes = "{fields: {code: code, note: note, cents: cents}, create: true, update: true, delete: true, unique: [code]}"

func load(t testing.TB, yaml string) (*config.Project, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, func(string) (string, bool) { return "", false }, config.Known{"postgres": Keys()})
}

func stream(t testing.TB, dsn string, p parts) *Stream {
	t.Helper()
	yaml := p.yaml(dsn)
	project, err := load(t, yaml)
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	noWait := func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	gate := pace.New(pace.Options{System: "shop", RequestsPerSecond: 1e6, Burst: 1000, Concurrency: 8, Clock: pace.Clock{Now: time.Now, Wait: noWait}})
	s, err := New(project.Systems[0], project.Entities[0], project.Entities[0].Streams[0], Deps{Gate: gate, Wait: noWait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// reading is what one Read gave.
type reading struct {
	rows        []string // id=text of the fields asked for, in order
	batches     int
	checkpoints []pipeline.Checkpoint
	dead        []pipeline.DeadLetter
	end         pipeline.End
	err         error
}

func (r reading) last() pipeline.Checkpoint {
	if len(r.checkpoints) == 0 {
		return pipeline.Checkpoint{}
	}
	return r.checkpoints[len(r.checkpoints)-1]
}

// read reads everything; the rows show the given fields.
func read(t testing.TB, s *Stream, req pipeline.ReadRequest, fields ...string) reading {
	t.Helper()
	var out reading
	req.Run, req.RunAt = "01RUN", time.Now()
	out.end, out.err = s.Read(t.Context(), req, func(b pipeline.Batch) error {
		out.batches++
		if b.Rows != nil {
			out.rows = append(out.rows, show(s, b.Rows, fields...)...)
			b.Rows.Release()
		}
		if b.Checkpoint != nil {
			out.checkpoints = append(out.checkpoints, *b.Checkpoint)
		}
		out.dead = append(out.dead, b.Dead...)
		return nil
	})
	return out
}

func mustRead(t testing.TB, s *Stream, req pipeline.ReadRequest, fields ...string) reading {
	t.Helper()
	r := read(t, s, req, fields...)
	if r.err != nil || !r.end.Proven {
		t.Fatalf("proven %v (%s), error %v", r.end.Proven, r.end.Reason, r.err)
	}
	return r
}

// show gives rows as text: the ID, then the canonical text of fields.
func show(s *Stream, rows arrow.RecordBatch, fields ...string) []string {
	var out []string
	for i := range int(rows.NumRows()) {
		parts := []string{rows.Column(0).(*array.String).Value(i)}
		for _, f := range s.decode.Fields {
			for _, name := range fields {
				if f.Name != name {
					continue
				}
				text, ok := f.Type.Canonical(rows.Column(rows.Schema().FieldIndices(name)[0]), i)
				if !ok {
					text = "null"
				}
				parts = append(parts, text)
			}
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out
}

func sweepOf() pipeline.ReadRequest { return pipeline.ReadRequest{Mode: pipeline.Sweep} }

// after is an incremental read that goes on from a checkpoint.
func after(c pipeline.Checkpoint) pipeline.ReadRequest {
	return pipeline.ReadRequest{Mode: pipeline.Incremental, From: c, Since: c.Cursor}
}

func text(s string) *string { return &s }

// stamp is an instant of the tests' year, n seconds in.
func stamp(n int) string {
	return time.Date(2020, 1, 1, 0, 0, n, 0, time.UTC).Format("2006-01-02 15:04:05+00")
}

const items = `CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE NOT NULL, note text, cents bigint, updated_at timestamptz);`

// insert adds n rows; row i has code ci and the time stamp(i).
func (w *world) insert(from, to int) {
	w.t.Helper()
	w.exec(fmt.Sprintf("INSERT INTO items (code, cents, updated_at) SELECT 'c' || n, n, timestamptz '%s' + n * interval '1 second' FROM generate_series(%d, %d) n", stamp(0), from, to))
}
