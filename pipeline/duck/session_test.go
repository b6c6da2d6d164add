//go:build duckdb_arrow

package duck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// everyType is a table with a column of every storage type.
func everyType() tables.Table {
	return tables.Table{Name: "types", Fold: tables.Append, Columns: []schemas.Column{
		{Name: `te"xt`, Type: textType}, {Name: "number", Type: numberType}, {Name: "flag", Type: schemas.Type{Kind: schemas.Bool}},
		{Name: "real", Type: schemas.Type{Kind: schemas.Double}},
		{Name: "money", Type: schemas.Type{Kind: schemas.Decimal, Precision: 30, Scale: 2}},
		{Name: "day", Type: schemas.Type{Kind: schemas.Date}}, {Name: "clock", Type: schemas.Type{Kind: schemas.Time}},
		{Name: "at", Type: schemas.Type{Kind: schemas.Timestamp}}, {Name: "doc", Type: schemas.Type{Kind: schemas.JSON}}}}
}

// oneOfEach is a batch of everyType: a row of values and a row of nulls.
func oneOfEach() arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(everyType().Columns))
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append(`O'Neil "x"`)
	b.Field(1).(*array.Int64Builder).Append(-1 << 63)
	b.Field(2).(*array.BooleanBuilder).Append(true)
	b.Field(3).(*array.Float64Builder).Append(0.1)
	b.Field(4).(*array.Decimal128Builder).Append(decimal128.FromI64(-1999))
	b.Field(5).(*array.Date32Builder).Append(arrow.Date32FromTime(time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)))
	b.Field(6).(*array.Time64Builder).Append(3_600_000_001)
	b.Field(7).(*array.TimestampBuilder).Append(1_700_000_000_123_456)
	b.Field(8).(*array.StringBuilder).Append(`{"a":1}`)
	for i := range b.Schema().NumFields() {
		b.Field(i).AppendNull()
	}
	return b.NewRecordBatch()
}

func TestABatchComesBackAsItWent(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{}), f)
	want := oneOfEach()
	defer want.Release()
	release, err := s.Register(t.Context(), `my "batch"`, want)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a stream could be read once
		got := collect(t, s, `SELECT * FROM "my ""batch""" ORDER BY number NULLS LAST`)
		if !got.Schema().Equal(want.Schema()) || !array.RecordEqual(got, want) {
			t.Fatalf("got %v\nwant %v", got, want)
		}
		got.Release()
	}
	release()
	if _, err := s.Query(t.Context(), `SELECT * FROM "my ""batch"""`); fault.CodeOf(err) != CodeStatement {
		t.Fatalf("a released batch is still there: %v", err)
	}
}

// collect reads a result of one batch.
func collect(t *testing.T, s *Session, statement string) arrow.RecordBatch {
	t.Helper()
	reader, err := s.Arrow(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	if !reader.Next() {
		t.Fatalf("no rows: %v", reader.Err())
	}
	batch := reader.RecordBatch()
	batch.Retain()
	return batch
}

func TestSessionsSeeOnlyTheirOwnBatchesAndViews(t *testing.T) {
	f := newFixture(t)
	e := open(t, f, Options{})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			s := begin(t, e, f)
			b := array.NewInt64Builder(memory.DefaultAllocator)
			defer b.Release()
			b.Append(int64(n))
			column := b.NewArray()
			defer column.Release()
			batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil), []arrow.Array{column}, 1)
			defer batch.Release()
			for range 5 {
				if _, err := s.Register(context.Background(), "batch", batch); err != nil {
					t.Error(err)
					return
				}
			}
			if got := ask(t, s, "SELECT n FROM batch"); !slices.Equal(got, []string{fmt.Sprint(n)}) {
				t.Errorf("session %d sees %v", n, got)
			}
		})
	}
	wg.Wait()
	s := begin(t, e, f)
	if left := ask(t, s, "SELECT view_name FROM duckdb_views() WHERE NOT internal"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestATableWithoutFilesIsAnEmptyViewOfItsTypes(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{}), f)
	if err := s.Current(t.Context(), everyType(), "it"); err != nil {
		t.Fatal(err)
	}
	want := []string{`te"xt|VARCHAR`, "number|BIGINT", "flag|BOOLEAN", "real|DOUBLE", "money|DECIMAL(30,2)", "day|DATE", "clock|TIME",
		"at|TIMESTAMP WITH TIME ZONE", "doc|VARCHAR"}
	if got := ask(t, s, "SELECT column_name, column_type FROM (DESCRIBE it)"); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := ask(t, s, "SELECT count(*) FROM it"); got[0] != "0" {
		t.Errorf("%s rows", got[0])
	}
}

func TestColumnsOfLaterVersionsAreNullInOlderFiles(t *testing.T) {
	f := newFixture(t)
	old := tables.Table{Name: `o'd "name"`, Version: 1, Fold: tables.Newest, Key: []string{"key"},
		Columns: []schemas.Column{{Name: "key", Type: textType}, {Name: "gone", Type: textType},
			{Name: "money", Type: schemas.Type{Kind: schemas.Decimal, Precision: 10, Scale: 2}}}}
	now := old
	now.Version, now.Columns = 2, []schemas.Column{{Name: "key", Type: textType},
		{Name: "money", Type: schemas.Type{Kind: schemas.Decimal, Precision: 14, Scale: 2}},
		{Name: `fie"ld`, Type: textType}, {Name: "at", Type: schemas.Type{Kind: schemas.Timestamp}}}
	f.add(old, lake.Folded, 1, [][]any{{"a", "x", "1.50"}, {"b", "y", "2.25"}})
	s := begin(t, open(t, f, Options{}), f)
	check := func(want ...string) {
		t.Helper()
		if err := s.Current(t.Context(), now, `the "view"`); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, s, `SELECT * FROM "the ""view""" ORDER BY key`); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	}
	check("a|1.5|<nil>|<nil>", "b|2.25|<nil>|<nil>")
	f.add(now, lake.Delta, 2, [][]any{{"b", "3.00", "new", time.UnixMicro(5).UTC()}})
	check("a|1.5|<nil>|<nil>", "b|3|new|1970-01-01 00:00:00.000005 +0000 UTC")
}

func TestAFieldNamedAsAPlaceIsRefused(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{}), f)
	table := tables.Table{Name: "x", Fold: tables.Append, Columns: []schemas.Column{{Name: "file_index", Type: textType}}}
	if err := s.Rows(t.Context(), table, "it"); err == nil || fault.HelpOf(err) == "" {
		t.Fatalf("got %v", err)
	}
}

func TestRangeAndSinceReadNoOtherFiles(t *testing.T) {
	f := newFixture(t)
	table := foldTables()[3]
	for i, key := range []string{"a", "c", "e"} {
		f.add(table, lake.Delta, uint64(i+1), [][]any{{hashOf(key), key, key}})
	}
	s := begin(t, open(t, f, Options{}), f)
	if err := s.Rows(t.Context(), table, "new", Since(2)); err != nil {
		t.Fatal(err)
	}
	if err := s.Current(t.Context(), table, "part", Range(hashOf("c"), hashOf("c"))); err != nil {
		t.Fatal(err)
	}
	if got := append(ask(t, s, "SELECT payload FROM new"), ask(t, s, "SELECT payload FROM part")...); !slices.Equal(got, []string{"e", "c"}) {
		t.Errorf("got %v", got)
	}
	if len(s.held) != 2 {
		t.Errorf("%d files were brought here", len(s.held))
	}
	if err := s.Current(t.Context(), table, "new", Since(2)); err == nil {
		t.Error("the rows that count were told from new files alone")
	}
	if err := s.Current(t.Context(), foldTables()[2], "part", Range(0, 1)); err == nil {
		t.Error("a table without hashes was cut by hash")
	}
}

func TestRunDateIsThatOfTheRunInUTC(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{}), f)
	zone := time.FixedZone("east", 3*3600)
	if err := s.RunAt(t.Context(), time.Date(2026, 3, 1, 1, 0, 0, 0, zone)); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "SELECT run_date() = DATE '2026-02-28', current_setting('TimeZone')"); got[0] != "true|UTC" {
		t.Errorf("got %s", got)
	}
}

func TestAnEngineReachesNothingButItsFiles(t *testing.T) {
	f := newFixture(t)
	outside := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(outside, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := begin(t, open(t, f, Options{}), f)
	for _, statement := range []string{
		"SELECT * FROM read_csv(" + Literal(outside) + ")",
		"SELECT * FROM glob('/etc/*')",
		"COPY (SELECT 1) TO " + Literal(outside),
		"ATTACH " + Literal(outside),
		"INSTALL httpfs",
		"SET enable_external_access = true",
		"SET allowed_directories = ['/']",
	} {
		if err := s.Exec(t.Context(), statement); err == nil {
			t.Errorf("it ran: %s", statement)
		}
	}
}

func TestErrorsSayWhatKindTheyAre(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{}), f)
	for statement, code := range map[string]string{
		"SELEKT 1":                               CodeStatement,
		"SELECT * FROM nothing":                  CodeStatement,
		"SELECT 'x'::INTEGER":                    CodeValue,
		"SELECT 9223372036854775807 + 1::BIGINT": CodeValue,
		"SELECT * FROM read_csv('/etc/passwd')":  CodeRefused,
	} {
		err := s.Exec(t.Context(), statement)
		if fault.CodeOf(err) != code || !fault.Is(err, fault.Permanent) {
			t.Errorf("%s: code %q, kind %s: %v", statement, fault.CodeOf(err), fault.KindOf(err), err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Exec(canceled, "SELECT count(*) FROM range(100000000) a, range(100000) b"); !fault.Is(err, fault.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestOutOfMemoryNamesTheWayOn(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{MemoryBytes: 20 << 20, Threads: 1}), f)
	err := s.Exec(t.Context(), "SELECT list(md5(range::VARCHAR)) FROM range(5000000)") // a list cannot spill
	if fault.CodeOf(err) != CodeMemory || fault.HelpOf(err) == "" {
		t.Fatalf("got %v", err)
	}
}

func TestAFileStaysWhileASessionReadsItAndNoLonger(t *testing.T) {
	f := newFixture(t)
	table := foldTables()[3]
	f.add(table, lake.Delta, 1, [][]any{{hashOf("a"), "a", "p"}})
	e := open(t, f, Options{})
	one, two := begin(t, e, f), begin(t, e, f)
	for _, s := range []*Session{one, two} {
		if err := s.Current(t.Context(), table, "it"); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range f.paths { // the cache evicts
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, two, "SELECT payload FROM it"); !slices.Equal(got, []string{"p"}) {
		t.Errorf("got %v", got)
	}
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(e.links.dir, "*.parquet")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	if err := begin(t, e, f).Current(t.Context(), table, "it"); err == nil {
		t.Error("a file that is nowhere was read")
	}
}

func TestTheFolderOfADeadEngineIsRemovedAndThatOfALiveOneStays(t *testing.T) {
	f := newFixture(t)
	live := open(t, f, Options{})
	dead := filepath.Join(f.dir, folderPrefix+"1")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, f, Options{})
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("the dead one's: %v", err)
	}
	if _, err := os.Stat(live.links.dir); err != nil {
		t.Errorf("the live one's: %v", err)
	}
}

func TestClosingLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	e, err := Open(Options{TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	left := 0
	err = filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { left++; return nil })
	if err != nil || left > 1 {
		t.Errorf("%d names left, %v", left-1, err)
	}
}

func TestALockedSessionReadsAndNothingElse(t *testing.T) {
	f := newFixture(t)
	table := foldTables()[3]
	f.add(table, lake.Delta, 1, [][]any{{hashOf("a"), "a", "p"}})
	s := begin(t, open(t, f, Options{}), f)
	if err := s.Current(t.Context(), table, "it"); err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "WITH x AS (SELECT payload FROM it) SELECT * FROM x; -- all"); !slices.Equal(got, []string{"p"}) {
		t.Errorf("got %v", got)
	}
	copied := filepath.Join(s.links.dir, "x.csv")
	for _, statement := range []string{
		"COPY (SELECT 1) TO " + Literal(copied),
		"EXPLAIN ANALYZE COPY (SELECT 1) TO " + Literal(copied),
		"COPY (SELECT 1) TO " + Literal(copied) + "; SELECT 1",
		"CREATE TABLE x (a INT)", "DROP VIEW it", "SET threads = 1", "PRAGMA enable_profiling", "ATTACH ':memory:' AS y", "CALL pragma_version()",
		"", "SELECT 1; SELECT 2",
	} {
		if rows, err := s.Query(t.Context(), statement); err == nil {
			rows.Close()
			t.Errorf("it ran: %q", statement)
		}
		if reader, err := s.Arrow(t.Context(), statement); err == nil {
			reader.Release()
			t.Errorf("it ran as Arrow: %q", statement)
		}
		if err := s.Exec(t.Context(), statement); fault.CodeOf(err) != CodeRefused {
			t.Errorf("it ran by Exec: %q: %v", statement, err)
		}
	}
	if _, err := os.Stat(copied); !os.IsNotExist(err) {
		t.Errorf("a file was written: %v", err)
	}
	if _, err := s.Register(t.Context(), "x", oneOfEach()); fault.CodeOf(err) != CodeRefused {
		t.Errorf("registered: %v", err)
	}
}

// The rows of a locked session leave it as a Parquet file too, and only by what
// the program itself writes.
func TestALockedSessionWritesAResultAsParquet(t *testing.T) {
	f := newFixture(t)
	s := begin(t, open(t, f, Options{}), f)
	if err := s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	const statement = "SELECT range AS n, 1.50::DECIMAL(9,2) AS price, DATE '2026-05-04' AS day, {'a': range} AS s, sum(range) OVER () AS total FROM range(3); -- all"
	if err := s.Parquet(t.Context(), statement, 2, &file); !errors.Is(err, ErrTooMany) || file.Len() != 0 {
		t.Errorf("%v, and %d bytes", err, file.Len())
	}
	for _, refused := range []string{"DROP TABLE x", "SELECT 1) TO '/tmp/x'; --", "COPY (SELECT 1) TO 'x'"} {
		if err := s.Parquet(t.Context(), refused, 10, &file); err == nil || file.Len() != 0 {
			t.Errorf("%q: %v", refused, err)
		}
	}
	if err := s.Parquet(t.Context(), statement, 3, &file); err != nil {
		t.Fatal(err)
	}
	read, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil || read.NumRows() != 3 || len(read.Schema().Fields()) != 5 {
		t.Errorf("%v %v", read, err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.links.dir, "result-*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

func TestAPlaceThatNobodyFillsOrThatIsNotThereIsAMistake(t *testing.T) {
	for _, p := range []places{{"columns": "x"}, {"columns": "x", "order": "y", "more": "z"}} {
		if _, err := fill("duck/kept.sql", p); err == nil {
			t.Errorf("%v was filled in", p)
		}
	}
	if got, err := fill("duck/kept.sql", places{"columns": `"$order"`, "order": "y"}); err != nil || !strings.Contains(got, `SELECT "$order" FROM _kept ORDER BY y`) {
		t.Errorf("a filled place was filled again: %s %v", got, err)
	}
}

func TestEveryColumnOfATableCanBeNamedWithoutQuotes(t *testing.T) {
	f, stream := newFixture(t), pipeline.StreamID{Entity: "bookings", System: "pms"}
	s := begin(t, open(t, f, Options{}), f)
	for _, table := range []tables.Table{
		tables.Replica(stream, nil), tables.SweepSeen(stream), tables.Checkpoints(), tables.Golden("bookings", nil, []string{"pms"}),
		tables.Crosswalk("bookings"), tables.Tombstones("bookings"), tables.Changes("bookings"), tables.Journal(), tables.Conflicts("bookings"),
		tables.DeadLetters(), tables.Findings(), tables.Differences(), tables.Decisions(), tables.Runs(), tables.Metrics(),
	} {
		if err := s.Rows(t.Context(), table, "it"); err != nil {
			t.Fatal(err)
		}
		for _, column := range table.ColumnNames() {
			if rows, err := s.Query(t.Context(), "SELECT "+column+" FROM it"); err != nil {
				t.Errorf("%s: %v", table.Name, err)
			} else if err := rows.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
