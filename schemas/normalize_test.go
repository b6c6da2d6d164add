package schemas

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func TestNormalizedTextIsTheSameInGoAndInDuckDB(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	b := array.NewStringBuilder(memory.DefaultAllocator)
	texts := []string{"", " \t\r\n ", " aB\tc ", "éß straße İı", "\u00a0x\u00a0"}
	for range 500 {
		texts = append(texts, randomCanonical(Type{Kind: String}, rng))
	}
	b.AppendValues(texts, nil)
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.BinaryTypes.String}}, nil),
		[]arrow.Array{b.NewArray()}, int64(len(texts)))
	conn := openDuck(t, batch)
	for _, steps := range [][]string{nil, {StepTrim}, {StepUpper}, {StepLower}, {StepTrim, StepUpper}, {StepLower, StepTrim}} {
		rows, err := conn.QueryContext(context.Background(), fmt.Sprintf("SELECT v, %s FROM rows", NormalizeSQL("v", steps)))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var v, got string
			if err := rows.Scan(&v, &got); err != nil {
				t.Fatal(err)
			}
			if want, err := Normalize(v, steps); err != nil || got != want {
				t.Errorf("%v of %q: DuckDB %q, Go %q, %v (seed %d)", steps, v, got, want, err, seed)
			}
			if again, _ := Normalize(got, steps); again != got {
				t.Errorf("%v of %q is not the end: %q", steps, v, again)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}

func TestStepsThatDoNotExistAreRefused(t *testing.T) {
	if _, err := Normalize("a", []string{"strip"}); err == nil {
		t.Error("strip passed")
	}
}
