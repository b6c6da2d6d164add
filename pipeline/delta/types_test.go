package delta_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	_ "github.com/duckdb/duckdb-go/v2" // the reader of these files

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// everyType is a replica with a field of each storage.
func everyType(t testing.TB) tables.Table {
	t.Helper()
	var fields []schemas.Column
	for i, text := range []string{"string", "bool", "int64", "double", "decimal(9,2)", "decimal(18,18)", "decimal(19,0)", "decimal(38,10)",
		"date", "time", "timestamp", "json", "enum(a,b)", "list(int64)", "string"} {
		typ, err := schemas.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		fields = append(fields, schemas.Column{Name: fmt.Sprintf("f%d", i), Type: typ})
	}
	return tables.Replica(pipeline.StreamID{Entity: "e", System: "s"}, fields)
}

// typedTexts are canonical texts of a row for the fields of everyType.
func typedTexts(row int) []string {
	return [][]string{
		{"x", "true", "-9223372036854775808", "0.1", "-1234567.89", "0.000000000000000001", "-9999999999999999999",
			"-1234567890123456789012345678.0123456789", "0001-01-01", "23:59:59.999999", "-62135596800000000", `{"a":1}`, "a", "[1]", ""},
		{"", "false", "9223372036854775807", "1.7976931348623157e+308", "0.00", "-0.999999999999999999", "1",
			"9999999999999999999999999999.9999999999", "9999-12-31", "00:00:00", "253402300799999999", "null", "b", "[]", "é\x00"},
	}[row%2]
}

// typedRows has each row of typedTexts n times, and as many of nulls.
func typedRows(t testing.TB, table tables.Table, n int) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(table.Columns))
	defer b.Release()
	for row := range 3 * n {
		key := fmt.Sprint("k", row)
		for i, c := range table.Columns {
			var err error
			switch {
			case c.Name == pipeline.ColKHash:
				b.Field(i).(*array.Int64Builder).Append(schemas.HashKey(key))
			case c.Name == pipeline.ColKey:
				b.Field(i).(*array.StringBuilder).Append(key)
			case strings.HasPrefix(c.Name, "f") && row%3 < 2:
				var field int
				if _, err = fmt.Sscanf(c.Name, "f%d", &field); err == nil {
					err = c.Type.FromCanonical(typedTexts(row % 3)[field], b.Field(i))
				}
			default:
				b.Field(i).AppendNull()
			}
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
		}
	}
	return b.NewRecordBatch()
}

func TestEveryTypeComesBackAsItWas(t *testing.T) {
	table := everyType(t)
	for _, n := range []int{1, 3000} { // one page, and pages with and without a dictionary
		b := newBench(t, delta.CacheOptions{})
		in := typedRows(t, table, n)
		in.Retain()
		out := b.read(t, table, b.write(t, table, delta.Options{RowGroupRows: 5000}, in)[0])
		if out.NumRows() != in.NumRows() {
			t.Fatalf("%d rows, not %d", out.NumRows(), in.NumRows())
		}
		at := map[string]int{}
		for i := range int(in.NumRows()) {
			at[in.Column(1).(*array.String).Value(i)] = i
		}
		for i := range int(out.NumRows()) {
			from := at[out.Column(1).(*array.String).Value(i)]
			for c, column := range table.Columns {
				want, ok1 := column.Type.Canonical(in.Column(c), from)
				got, ok2 := column.Type.Canonical(out.Column(c), i)
				if got != want || ok1 != ok2 {
					t.Fatalf("row %d, %s %s: %q, not %q", i, column.Name, column.Type, got, want)
				}
			}
		}
	}
}

func TestDuckDBReadsEveryColumnInItsDeclaredType(t *testing.T) {
	table := everyType(t)
	b := newBench(t, delta.CacheOptions{})
	f := b.write(t, table, delta.Options{}, typedRows(t, table, 40))[0]
	path, err := b.cache.Path(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i, c := range table.Columns {
		var storage string
		query := fmt.Sprintf(`SELECT any_value(typeof("%s")) FROM read_parquet('%s')`, c.Name, path)
		if err := db.QueryRow(query).Scan(&storage); err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(c.Type.DuckDB(), "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", 1)
		if storage != want {
			t.Errorf("column %d, %s: DuckDB reads %s, not %s", i, c.Name, storage, want)
		}
		if !strings.HasPrefix(c.Name, "f") {
			continue
		}
		var field, rows int
		if _, err := fmt.Sscanf(c.Name, "f%d", &field); err != nil {
			t.Fatal(err)
		}
		query = fmt.Sprintf(`SELECT count(*) FROM read_parquet('%s') WHERE %s IN (?, ?)`, path, schemas.CanonicalSQL(c.Type, c.Name))
		if err := db.QueryRow(query, typedTexts(0)[field], typedTexts(1)[field]).Scan(&rows); err != nil || rows != 80 {
			t.Errorf("%s %s: %d rows hold what was written, %v", c.Name, c.Type, rows, err)
		}
	}
	var least, most int64
	bounds := fmt.Sprintf(`SELECT min(stats_min_value::BIGINT), max(stats_max_value::BIGINT) FROM parquet_metadata('%s') WHERE path_in_schema = '_khash'`, path)
	if err := db.QueryRow(bounds).Scan(&least, &most); err != nil || least != f.MinHash || most != f.MaxHash {
		t.Errorf("DuckDB sees the hashes %d to %d, %v; the file says %+v", least, most, err, f)
	}
}

func TestAColumnOfNullsHasItsTypeAndOneThatIsMissingReadsAsNull(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.fileOf(t, "a") // its partition is null
	path, err := b.cache.Path(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	newer := seen()
	newer.Columns = append(newer.Columns, schemas.Column{Name: "later", Type: schemas.Type{Kind: schemas.Date}})
	rows, err := delta.ReadAll(path, newer)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range newer.Columns {
		if !arrow.TypeEqual(rows.Column(i).DataType(), c.Type.Arrow()) {
			t.Errorf("%s is %s", c.Name, rows.Column(i).DataType())
		}
	}
	if rows.Column(3).NullN() != 1 || rows.Column(5).NullN() != 1 {
		t.Errorf("%v", rows)
	}
}

func TestRowsOfATableAreBuiltCellByCell(t *testing.T) {
	b := delta.NewRows(seen())
	b.Number(1).Text("k").Text("id")
	if b.Len() != 0 {
		t.Error("half a row counts")
	}
	for name, misuse := range map[string]func(){
		"a cell of another type": func() { b.Number(5) },
		"a batch of half a row":  func() { b.Batch() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s passed", name)
				}
			}()
			misuse()
		}()
	}
}
