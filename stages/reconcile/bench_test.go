package reconcile_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the yardstick is plain SQL in a DuckDB of its own

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/file"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/reconcile"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// The settings of both sides.
const (
	benchThreads = 2
	benchMemory  = 2 << 30
)

// large is a lake with two systems that agree about many records.
type large struct {
	tb      testing.TB
	store   store.Store
	records int
	dir     string
	clock   *stagetest.Clock
	lake    *lake.Lake
	cache   *delta.Cache
	engine  *duck.Engine
	entity  config.Entity
	round   int
}

func newLarge(tb testing.TB, records int) *large {
	l := &large{tb: tb, records: records, dir: tb.TempDir(), clock: stagetest.NewClock(), entity: largeEntity()}
	var err error
	l.store, err = file.Open(filepath.Join(l.dir, "store"), file.Options{})
	l.must(err)
	l.lake, err = lake.Init(tb.Context(), l.store, lake.Options{Now: l.clock.Now, Probe: func(context.Context, store.Store) error { return nil }})
	l.must(err)
	l.cache, err = delta.NewCache(filepath.Join(l.dir, "cache"), l.store, delta.CacheOptions{})
	l.must(err)
	l.engine, err = duck.Open(duck.Options{Threads: benchThreads, MemoryBytes: benchMemory, TempDir: l.dir, Files: l.cache})
	l.must(err)
	tb.Cleanup(func() { l.must(l.engine.Close()) })
	l.begin()
	return l
}

func (l *large) must(err error) {
	l.tb.Helper()
	if err != nil {
		l.tb.Fatal(err)
	}
}

// largeEntity has fourteen fields; pms rules all of them but the guest's name.
func largeEntity() config.Entity {
	text, count := schemas.Type{Kind: schemas.String}, schemas.Type{Kind: schemas.Int64}
	day, amount := schemas.Type{Kind: schemas.Date}, schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}
	at := schemas.Type{Kind: schemas.Timestamp}
	f := func(name string, t schemas.Type) schemas.Field { return schemas.Field{Name: name, Path: name, Type: t} }
	e := config.Entity{Name: "bookings", Key: []string{"code"},
		Resolve: config.Resolve{Default: config.Rule{Authority: []string{"pms"}}, Fields: map[string]config.Rule{"guest_name": {Authority: []string{"air", "pms"}}},
			Deletes: config.DeleteRule{Authority: []string{"pms"}, AgainstUpdate: "hold"}}}
	pms := []schemas.Field{f("id", count)}
	for _, x := range []schemas.Field{f("code", text), f("channel", text), f("listing_id", text), f("check_in", day), f("check_out", day), f("guest_name", text),
		f("price", amount), f("status", text), f("notes", text), f("adults", count), f("children", count), f("currency", text), f("country", text), f("phone", text)} {
		e.Fields = append(e.Fields, config.EntityField{Name: x.Name, Type: x.Type})
		pms = append(pms, x)
	}
	air := []schemas.Field{f("id", text), f("confirmation_code", text), f("channel", text), f("listing", text), f("arrival", day), f("departure", day), f("guest", text),
		f("total_cents", count), f("state", text), f("note", text), f("adults", count), f("children", count), f("currency", text), f("country", text), f("phone", text), f("updated_at", at)}
	e.Streams = []config.Stream{
		largeStream("pms", append(pms, f("updated_at", at)), nil, nil),
		largeStream("air", air,
			[]string{"code=confirmation_code", "channel=channel", "listing_id=listing", "check_in=arrival", "check_out=departure", "guest_name=guest",
				"price=total_cents * 0.01", "status=CASE state WHEN 'ok' THEN 'confirmed' ELSE state END", "notes=note",
				"adults=adults", "children=children", "currency=currency", "country=country", "phone=phone"},
			[]string{"confirmation_code=code", "channel=channel", "listing=listing_id", "arrival=check_in", "departure=check_out", "guest=guest_name",
				"total_cents=price * 100", "state=CASE status WHEN 'confirmed' THEN 'ok' ELSE status END", "note=notes",
				"adults=adults", "children=children", "currency=currency", "country=country", "phone=phone"})}
	return e
}

func largeStream(system string, fields []schemas.Field, maps, writes []string) config.Stream {
	lines := func(texts []string) (out []config.Mapping) {
		for _, t := range texts {
			name, sql, _ := strings.Cut(t, "=")
			out = append(out, config.Mapping{Name: name, Expr: config.Expr{SQL: sql}})
		}
		return out
	}
	return config.Stream{System: system, Map: lines(maps),
		Extract: config.Extract{PrimaryKey: []string{"id"}, Fields: fields, Version: "updated_at", Absence: true, Incremental: &config.IncrementalRead{CursorField: "updated_at"}},
		Write:   &config.Write{Create: true, Update: true, Precondition: true, Fields: lines(writes)}}
}

// fill stores what statements give as files of tables, in one commit.
func (l *large) fill(kind lake.FileKind, statements map[string]string) *lake.Snapshot {
	l.tb.Helper()
	tenure, err := l.lake.Begin(l.tb.Context(), lake.Opening{Run: fmt.Sprintf("run-%d", l.round), RunAt: l.clock.Now(), Project: "large"})
	l.must(err)
	head, err := l.lake.Head(l.tb.Context())
	l.must(err)
	session, err := l.engine.Session(l.tb.Context(), head)
	l.must(err)
	defer func() { l.must(session.Close()) }()
	l.must(session.Exec(l.tb.Context(), benchText(l.tb, "records.sql")))
	l.must(session.Current(l.tb.Context(), tables.Changes("bookings"), "changes"))
	files := lake.Files{}
	for _, t := range l.tables() {
		statement, ok := statements[t.Name]
		if !ok {
			continue
		}
		w := l.writer(tenure.Epoch(), kind)(t)
		_, err := session.Copy(l.tb.Context(), statement+" ORDER BY _khash", w)
		l.must(err)
		files[t.Name], err = w.Close(l.tb.Context())
		l.must(err)
	}
	landed, err := tenure.Committer("bench").Commit(l.tb.Context(), lake.Step{Stage: "bench", Add: files})
	l.must(err)
	return landed
}

func (l *large) writer(epoch uint64, kind lake.FileKind) func(t tables.Table) *delta.Writer {
	return func(t tables.Table) *delta.Writer {
		return delta.NewWriter(delta.Destination{Store: l.store, Cache: l.cache, TempDir: l.dir,
			Key: func() string { return l.lake.NewDataKey(t.Name, epoch) }}, t, delta.Options{Kind: kind})
	}
}

func benchText(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "bench", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func (l *large) tables() []tables.Table {
	out := []tables.Table{tables.Golden("bookings", columns(l.entity), []string{"pms", "air"}), tables.Crosswalk("bookings")}
	for _, s := range l.entity.Streams {
		out = append(out, l.replica(s))
	}
	return append(out, tables.Changes("bookings"))
}

func columns(e config.Entity) (out []schemas.Column) {
	for _, f := range e.Fields {
		out = append(out, schemas.Column{Name: f.Name, Type: f.Type})
	}
	return out
}

func (l *large) replica(s config.Stream) tables.Table {
	var fields []schemas.Column
	for _, f := range s.Extract.Fields {
		fields = append(fields, schemas.Column{Name: f.Name, Type: f.Type})
	}
	return tables.Replica(pipeline.StreamID{Entity: "bookings", System: s.System}, fields)
}

// begin leaves what a first run and a fold leave: everything agrees and is judged.
func (l *large) begin() {
	landed := l.fill(lake.Folded, map[string]string{
		"replica/bookings/pms": fmt.Sprintf("FROM bench_pms(%d, 0, 1)", l.records), "replica/bookings/air": fmt.Sprintf("FROM bench_air(%d, 0, 1)", l.records),
		"golden/bookings": fmt.Sprintf("FROM bench_golden(%d)", l.records), "crosswalk/bookings": fmt.Sprintf("FROM bench_crosswalk(%d)", l.records)})
	b := delta.NewRows(tables.Checkpoints())
	for _, system := range []string{"", "pms", "air"} {
		b.Text(tables.CheckpointWatermark).Text("bookings").Text(system).Text("reconcile").Null().Number(0).Null().Null().
			Null().Text("joined").Null().Null().Null().Null().Text("large").Number(int64(landed.Seq())).Text("run-0").Time(l.clock.Now())
	}
	rows := b.Batch()
	defer rows.Release()
	tenure, err := l.lake.Begin(l.tb.Context(), lake.Opening{Run: "run-0b", RunAt: l.clock.Now(), Project: "large"})
	l.must(err)
	w := l.writer(tenure.Epoch(), lake.Delta)(tables.Checkpoints())
	l.must(w.Write(rows))
	files, err := w.Close(l.tb.Context())
	l.must(err)
	_, err = tenure.Committer("bench").Commit(l.tb.Context(), lake.Step{Stage: "bench", Add: lake.Files{"checkpoints": files}})
	l.must(err)
}

// change lets one record of every so many change, as a run would have read it.
func (l *large) change(every int) {
	l.tb.Helper()
	l.round++
	l.clock.Advance(time.Hour)
	l.fill(lake.Delta, map[string]string{
		"replica/bookings/pms": fmt.Sprintf("FROM bench_pms(%d, %d, %d)", l.records, l.round, every),
		"replica/bookings/air": fmt.Sprintf("FROM bench_air(%d, %d, %d)", l.records, l.round, every)})
}

// reconcile judges what changed.
func (l *large) reconcile() (reconcile.Result, time.Duration) {
	l.tb.Helper()
	at := l.clock.Now()
	tenure, err := l.lake.Begin(l.tb.Context(), lake.Opening{Run: fmt.Sprintf("judge-%d", l.round), RunAt: at, Project: "large"})
	l.must(err)
	read := reconcile.Read{Due: true, Complete: true}
	began := time.Now()
	result, err := reconcile.Run(l.tb.Context(), reconcile.Deps{Lake: l.lake, Tenure: tenure, Engine: l.engine, Writer: l.writer(tenure.Epoch(), lake.Delta), Log: slog.New(slog.DiscardHandler)},
		reconcile.Request{Run: pipeline.RunID(fmt.Sprintf("judge-%d", l.round)), RunAt: at, Entity: l.entity, ProjectHash: "large",
			Read: map[string]reconcile.Read{"pms": read, "air": read}})
	took := time.Since(began)
	l.must(err)
	return result, took
}

// finish says of every change that it was applied, as a load would have.
func (l *large) finish() {
	l.tb.Helper()
	l.fill(lake.Delta, map[string]string{"changes/bookings": "SELECT * REPLACE ('applied' AS state) FROM changes WHERE state = 'ready'"})
}

// naive is the yardstick over the same files, in a DuckDB of its own with the same
// settings. It leaves golden and the changes as files and gives their rows.
func (l *large) naive() (golden, changes int64, took time.Duration) {
	l.tb.Helper()
	db, err := sql.Open("duckdb", "")
	l.must(err)
	defer func() { l.must(db.Close()) }()
	conn, err := db.Conn(l.tb.Context())
	l.must(err)
	exec := func(format string, args ...any) {
		_, err := conn.ExecContext(l.tb.Context(), fmt.Sprintf(format, args...))
		l.must(err)
	}
	exec("SET threads = %d; SET memory_limit = '%dB'; SET temp_directory = '%s'; SET preserve_insertion_order = false; SET TimeZone = 'UTC'",
		benchThreads, benchMemory, filepath.Join(l.dir, "naive"))
	for view, table := range map[string]string{"bench_pms_rows": "replica/bookings/pms", "bench_air_rows": "replica/bookings/air", "bench_golden_rows": "golden/bookings"} {
		exec("CREATE VIEW %s AS FROM read_parquet(%s)", view, l.paths(table))
	}
	began := time.Now()
	exec("%s", benchText(l.tb, "naive.sql"))
	exec("COPY (FROM naive_golden) TO '%s' (FORMAT parquet)", filepath.Join(l.dir, "naive_golden.parquet"))
	exec("COPY (FROM naive_changes) TO '%s' (FORMAT parquet)", filepath.Join(l.dir, "naive_changes.parquet"))
	took = time.Since(began)
	l.must(conn.QueryRowContext(l.tb.Context(), "SELECT count(*) FILTER (moved), (SELECT count(*) FROM naive_changes) FROM naive_golden").Scan(&golden, &changes))
	l.must(conn.Close())
	return golden, changes, took
}

// paths are the live files of a table on this machine, as an SQL list.
func (l *large) paths(table string) string {
	head, err := l.lake.Head(l.tb.Context())
	l.must(err)
	files, err := head.Files(l.tb.Context(), table)
	l.must(err)
	var out []string
	for _, f := range files {
		path, err := l.cache.Path(l.tb.Context(), f)
		l.must(err)
		out = append(out, "'"+path+"'")
	}
	slices.Sort(out)
	return "[" + strings.Join(out, ", ") + "]"
}

func wantedChanges(r reconcile.Result) (n int64) {
	for _, c := range r.Changes {
		n += c.Keys
	}
	return n
}

// The yardstick of the benchmarks does the same work: as many golden records
// change, and as many changes follow, as in what it is compared with.
func TestTheYardstickOfReconcileDoesTheSame(t *testing.T) {
	l := newLarge(t, 3000)
	l.change(100)
	golden, changes, _ := l.naive()
	result, _ := l.reconcile()
	if golden != 30 || changes != 30 || result.Looked != 30 || result.Golden != golden || wantedChanges(result) != changes {
		t.Fatalf("naive: %d golden records, %d changes; reconcile: %+v", golden, changes, result)
	}
	l.finish()
	l.change(1000)
	if result, _ = l.reconcile(); result.Looked != 3 {
		t.Fatalf("after a finished round %d keys were looked at, 3 changed", result.Looked)
	}
}

// envRecords makes the large benchmarks smaller, for a look at their shape.
const envRecords = "TRUEUP_BENCH_RECORDS"

func benchRecords(b *testing.B, records int) int {
	text := os.Getenv(envRecords)
	if text == "" {
		return records
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// sweep compares reconciles of one changed record in a hundred with the yardstick.
func sweep(b *testing.B, records int) {
	l := newLarge(b, benchRecords(b, records))
	var ours, theirs time.Duration
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		l.change(100)
		_, _, took := l.naive()
		theirs += took
		b.StartTimer()
		_, took = l.reconcile()
		ours += took
		b.StopTimer()
		l.finish()
		b.StartTimer()
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x_naive")
}

func BenchmarkReconcileSweep1M(b *testing.B)  { sweep(b, 1_000_000) }
func BenchmarkReconcileSweep10M(b *testing.B) { sweep(b, 10_000_000) }

// An hourly run with one changed record in a thousand, as a share of a sweep with
// one in a hundred over the same lake.
func BenchmarkReconcileIncremental10M(b *testing.B) {
	l := newLarge(b, benchRecords(b, 10_000_000))
	var hourly, nightly time.Duration
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		l.change(100)
		_, took := l.reconcile()
		nightly += took
		l.finish()
		l.change(1000)
		b.StartTimer()
		_, took = l.reconcile()
		hourly += took
		b.StopTimer()
		l.finish()
		b.StartTimer()
	}
	b.ReportMetric(hourly.Seconds()/nightly.Seconds(), "x_sweep")
}
