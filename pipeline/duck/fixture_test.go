//go:build duckdb_arrow

package duck

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// fixture is a lake without commits: lists of files, written by a DuckDB of its
// own so that the engine under test only reads.
type fixture struct {
	t     testing.TB
	dir   string
	db    *sql.DB
	mu    sync.Mutex
	count int
	files map[string][]lake.File
	paths map[string]string
	store store.Store
	cache *delta.Cache
}

func newFixture(t testing.TB) *fixture {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	f := &fixture{t: t, dir: t.TempDir(), db: db, files: map[string][]lake.File{}, paths: map[string]string{}, store: mem.New()}
	if f.cache, err = delta.NewCache(filepath.Join(f.dir, "cache"), f.store, delta.CacheOptions{}); err != nil {
		t.Fatal(err)
	}
	f.exec("SET TimeZone = 'UTC'")
	return f
}

// Files makes the fixture a Snapshot.
func (f *fixture) Files(_ context.Context, table string) ([]lake.File, error) {
	return append([]lake.File(nil), f.files[table]...), nil
}

// Path makes the fixture a cache.
func (f *fixture) Path(ctx context.Context, file lake.File) (string, error) {
	f.mu.Lock()
	path, ok := f.paths[file.Key]
	f.mu.Unlock()
	if !ok {
		return f.cache.Path(ctx, file)
	}
	return path, nil
}

func (f *fixture) exec(statement string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(statement, args...); err != nil {
		f.t.Fatalf("%s: %v", statement, err)
	}
}

// write makes a file of rows, sorted as files are, and does not list it.
func (f *fixture) write(t tables.Table, kind lake.FileKind, seq uint64, rows [][]any) lake.File {
	f.t.Helper()
	names := t.ColumnNames()
	var columns []string
	for _, c := range t.Columns {
		columns = append(columns, Quote(c.Name)+" "+c.Type.DuckDB())
	}
	f.exec("CREATE OR REPLACE TABLE rows (" + strings.Join(columns, ", ") + ")")
	var lines []string
	var args []any
	for _, r := range rows {
		var marks []string
		for i, c := range t.Columns {
			args = append(args, r[i])
			marks = append(marks, fmt.Sprintf("$%d::%s", len(args), c.Type.DuckDB()))
		}
		lines = append(lines, "("+strings.Join(marks, ", ")+")")
	}
	f.exec("INSERT INTO rows VALUES "+strings.Join(lines, ", "), args...)
	order := "rowid"
	if names[0] == pipeline.ColKHash {
		order = "_khash, rowid"
	}
	return f.export(t, kind, seq, "SELECT * FROM rows ORDER BY "+order)
}

// export makes a file of a query and does not list it.
func (f *fixture) export(t tables.Table, kind lake.FileKind, seq uint64, query string) lake.File {
	f.t.Helper()
	f.count++
	file := lake.File{Key: fmt.Sprintf("data/%s/1/%d.parquet", t.Name, f.count), Kind: kind, Seq: seq, Epoch: 1,
		MinHash: math.MinInt64, MaxHash: math.MaxInt64}
	path := filepath.Join(f.dir, fmt.Sprintf("it's %d.parquet", f.count))
	f.exec("COPY (" + query + ") TO " + Literal(path) + " (FORMAT parquet, ROW_GROUP_SIZE 10240)")
	stats := "count(*)"
	if t.Columns[0].Name == pipeline.ColKHash {
		stats += ", min(_khash), max(_khash)"
	} else {
		stats += ", 0, 0"
	}
	var low, high sql.NullInt64
	if err := f.db.QueryRow("SELECT "+stats+" FROM read_parquet("+Literal(path)+")").Scan(&file.Rows, &low, &high); err != nil {
		f.t.Fatal(err)
	}
	file.MinHash, file.MaxHash = low.Int64, high.Int64
	if info, err := os.Stat(path); err == nil {
		file.SizeBytes = info.Size()
	}
	f.mu.Lock()
	f.paths[file.Key] = path
	f.mu.Unlock()
	return file
}

// add lists a file of rows last.
func (f *fixture) add(t tables.Table, kind lake.FileKind, seq uint64, rows [][]any) {
	f.t.Helper()
	f.files[t.Name] = append(f.files[t.Name], f.write(t, kind, seq, rows))
}

// writer makes real files, which the fixture's cache then has.
func (f *fixture) writer() NewWriter {
	return func(t tables.Table, epoch uint64) Writer {
		return delta.NewWriter(delta.Destination{Store: f.store, Cache: f.cache, TempDir: f.dir,
			Key: func() string { return fmt.Sprintf("data/%s/%d/%s.parquet", t.Name, epoch, ulid.Make()) }}, t, delta.Options{})
	}
}

func open(t testing.TB, f *fixture, o Options) *Engine {
	t.Helper()
	o.TempDir, o.Files = f.dir, f
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 256 << 20
	}
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func begin(t testing.TB, e *Engine, at Snapshot) *Session {
	t.Helper()
	s, err := e.Session(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask gives the rows of a statement as text, columns between bars.
func ask(t testing.TB, s *Session, statement string, args ...any) []string {
	t.Helper()
	rows, err := s.Query(context.Background(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = fmt.Sprint(v)
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
