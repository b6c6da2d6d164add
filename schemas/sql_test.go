package schemas

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/duckdb/duckdb-go/v2"
)

// openDuck opens DuckDB with the batch as table "rows".
func openDuck(t *testing.T, batch arrow.RecordBatch) *sql.Conn {
	t.Helper()
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	err = conn.Raw(func(raw any) error {
		a, err := duckdb.NewArrowFromConn(raw.(driver.Conn))
		if err != nil {
			return err
		}
		reader, err := array.NewRecordReader(batch.Schema(), []arrow.RecordBatch{batch})
		if err != nil {
			return err
		}
		release, err := a.RegisterView(reader, "batch")
		t.Cleanup(release)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// A zone far from UTC, so that nothing agrees by luck.
	for _, s := range []string{"SET TimeZone = 'Pacific/Auckland'", "CREATE TABLE rows AS FROM batch"} {
		if _, err := conn.ExecContext(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

func TestCanonicalTextIsTheSameInGoAndInDuckDB(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	const random = 3000
	for _, typ := range everyType() {
		t.Run(typ.String(), func(t *testing.T) {
			texts := append(edges(typ), noText)
			for range random {
				texts = append(texts, randomCanonical(typ, rng))
			}
			values, err := columnOf(typ, texts)
			if err != nil {
				t.Fatal(err)
			}
			compareWithDuckDB(t, typ, texts, values)
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

func compareWithDuckDB(t *testing.T, typ Type, texts []string, values arrow.Array) {
	t.Helper()
	numbers := array.NewInt64Builder(memory.DefaultAllocator)
	wire := array.NewStringBuilder(memory.DefaultAllocator)
	for i, text := range texts {
		numbers.Append(int64(i))
		if got, ok := typ.Canonical(values, i); ok && got != text {
			t.Errorf("Go reads back %q, not %q", got, text)
		}
		if text == noText {
			wire.AppendNull()
		} else {
			wire.Append(text)
		}
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "i", Type: arrow.PrimitiveTypes.Int64},
		{Name: "v", Type: typ.Arrow(), Nullable: true}, {Name: "text", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{numbers.NewArray(), values, wire.NewArray()}, int64(len(texts)))
	conn := openDuck(t, batch)
	query := fmt.Sprintf(`SELECT i, text, %s, %s IS NOT DISTINCT FROM v, typeof(v) FROM rows ORDER BY i`,
		CanonicalSQL(typ, "v"), FromCanonicalSQL(typ, "text"))
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count, wrong := 0, 0
	for ; rows.Next(); count++ {
		var i int
		var want, got sql.NullString
		var same bool
		var storage string
		if err := rows.Scan(&i, &want, &got, &same, &storage); err != nil {
			t.Fatal(err)
		}
		if storage = strings.Replace(storage, "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", 1); storage != typ.DuckDB() {
			t.Fatalf("DuckDB stores it as %s", storage)
		}
		if got != want || !same {
			if wrong++; wrong < 10 {
				t.Errorf("DuckDB writes %q, Go %q; DuckDB reads the text as the value: %v", got.String, want.String, same)
			}
		}
	}
	if err := rows.Err(); err != nil || count != len(texts) {
		t.Fatalf("%d of %d rows: %v", count, len(texts), err)
	}
}
