package compile_test

import (
	"database/sql"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
)

// A loss means the same in SQL and in Go: reconcile compares by one, load by the other.
func TestALossIsTheSameInSQLAndInGo(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	zero, one := 0, 1
	text := schemas.Type{Kind: schemas.String}
	price := schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}
	list := schemas.Type{Kind: schemas.List, Elem: &text}
	texts := []string{"", " ", "Ana", "  ÁNA b ", "ok", "it's", "日本語テキスト"}
	numbers := []string{"0.00", "0.05", "-0.05", "12.50", "-12.50", "99.95", "9999999999.49"}
	lists := []string{`[]`, `["b","a","b"]`, `["it's","A","a"]`}
	for _, c := range []struct {
		loss   config.Loss
		t      schemas.Type
		values []string
	}{
		{config.Loss{Truncate: 2}, text, texts}, {config.Loss{Case: true}, text, texts}, {config.Loss{Trim: true}, text, texts},
		{config.Loss{Trim: true, Case: true, Truncate: 3, Aliases: map[string]string{"ok": "it's", "it's": "ok"}}, text, texts},
		{config.Loss{Precision: &zero}, price, numbers}, {config.Loss{Precision: &one}, price, numbers}, {config.Loss{Set: true}, list, lists},
	} {
		for _, v := range c.values {
			var got string
			statement := "SELECT " + c.loss.FoldSQL(c.t, schemas.FromCanonicalSQL(c.t, "v")) + " FROM (SELECT $1::VARCHAR AS v)"
			if err := db.QueryRowContext(t.Context(), statement, v).Scan(&got); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
			if want := c.loss.Fold(c.t, v); got != want {
				t.Errorf("%+v of %q: SQL %q, Go %q", c.loss, v, got, want)
			}
		}
	}
}
