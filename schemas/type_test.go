package schemas

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"
)

// anyType draws a type.
func anyType(t *rapid.T, depth int) Type {
	kinds := []Kind{String, Bool, Int64, Double, Decimal, Date, Time, Timestamp, JSON, Enum, List}
	if depth == 0 {
		kinds = kinds[:len(kinds)-1]
	}
	typ := Type{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	switch typ.Kind {
	case Decimal:
		typ.Precision = rapid.Int32Range(1, MaxPrecision).Draw(t, "precision")
		typ.Scale = rapid.Int32Range(0, typ.Precision).Draw(t, "scale")
	case Enum:
		value := rapid.StringOfN(rapid.SampledFrom([]rune("ab '(),é\t")), 1, 5, -1)
		typ.Values = rapid.SliceOfNDistinct(value, 1, 4, rapid.ID[string]).Draw(t, "values")
	case List:
		elem := anyType(t, depth-1)
		typ.Elem = &elem
	}
	return typ
}

func TestEveryTypeIsReadBackAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := anyType(t, 2)
		if err := typ.Check(); err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		back, err := ParseType(typ.String())
		if err != nil || !back.Equal(typ) {
			t.Fatalf("%s became %s: %v", typ, back, err)
		}
	})
}

func TestTypesAreReadWithSpacesAndQuotes(t *testing.T) {
	for text, want := range map[string]string{
		" decimal( 12 , 2 ) ":  "decimal(12,2)",
		"enum(a, b c ,'d,''')": "enum(a,b c,'d,''')",
		"list(enum(x,'y)'))":   "list(enum(x,'y)'))",
		"list( list(int64) )":  "list(list(int64))",
	} {
		if got, err := ParseType(text); err != nil || got.String() != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

func TestTypesThatCannotBeAreRefusedWithTheReason(t *testing.T) {
	for text, reason := range map[string]string{
		"":                  "none of string, bool",
		"text":              "none of string, bool",
		"String":            "none of string, bool",
		"decimal":           "as in decimal(12,2)",
		"decimal(12)":       "as in decimal(12,2)",
		"decimal(0,0)":      "precision must be 1 to 38",
		"decimal(39,2)":     "precision must be 1 to 38",
		"decimal(4,5)":      "scale 0 to the precision",
		"decimal(4,-1)":     "scale 0 to the precision",
		"decimal(12,2":      "closing parenthesis",
		"enum()":            "is empty",
		"enum":              "is empty",
		"enum(a,a)":         "there twice",
		"enum(a,,b)":        "is empty",
		"enum('a)":          "closing quote",
		"enum('a'b)":        "comma is missing",
		"enum(a'b)":         "single quotes",
		"list()":            "what it holds is missing",
		"list":              "what it holds is missing",
		"list(text)":        "none of string",
		"string(10)":        "takes nothing in parentheses",
		"decimal(1e1,2)":    "as in decimal(12,2)",
		"list(decimal(9,9)": "closing parenthesis",
	} {
		if got, err := ParseType(text); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, typ := range []Type{{}, {Kind: 99}, {Kind: Enum}, {Kind: List}} {
		if typ.Check() == nil {
			t.Errorf("%s passed", typ)
		}
	}
}

func TestStorageOfEveryKind(t *testing.T) {
	type storage struct{ arrow, duckdb, json string }
	want := map[Kind]storage{
		String: {"utf8", "VARCHAR", "string"}, Bool: {"bool", "BOOLEAN", "boolean"}, Int64: {"int64", "BIGINT", "integer"},
		Double: {"float64", "DOUBLE", "number"}, Decimal: {"decimal(12, 2)", "DECIMAL(12,2)", "number"},
		Date: {"date32", "DATE", "string"}, Time: {"time64[us]", "TIME", "string"},
		Timestamp: {"timestamp[us, tz=UTC]", "TIMESTAMPTZ", "string"}, JSON: {"utf8", "VARCHAR", ""},
		Enum: {"utf8", "VARCHAR", "string"}, List: {"utf8", "VARCHAR", "array"},
	}
	for kind, s := range want {
		typ := Type{Kind: kind, Precision: 12, Scale: 2, Values: []string{"a"}, Elem: &Type{Kind: Int64}}
		described, _ := typ.JSONSchema()["type"].(string)
		if got := (storage{typ.Arrow().String(), typ.DuckDB(), described}); got != s {
			t.Errorf("%s: %+v", kind, got)
		}
		if !typ.Parquet().Optional() || !typ.Parquet().Leaf() {
			t.Errorf("%s: no optional column", kind)
		}
	}
	schema := ArrowSchema([]Column{{"a", Type{Kind: Int64}}})
	if f := schema.Field(0); !f.Nullable || f.Type.ID() != arrow.INT64 {
		t.Errorf("%s", f)
	}
}

func FuzzParseType(f *testing.F) {
	for _, seed := range []string{"string", "decimal(12,2)", "enum(a,'b,''c')", "list(list(date))", "enum('')", "list((", "decimal(99999999999,1)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		typ, err := ParseType(text)
		if err != nil {
			return
		}
		if err := typ.Check(); err != nil {
			t.Fatalf("%q passed, but not its check: %v", text, err)
		}
		if back, err := ParseType(typ.String()); err != nil || !back.Equal(typ) {
			t.Fatalf("%q became %s, then %s: %v", text, typ, back, err)
		}
	})
}
