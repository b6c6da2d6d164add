//go:build duckdb_arrow

package duck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// What DuckDB calls the place of a row in a list of files.
const (
	fileIndex = "file_index"
	fileRow   = "file_row_number"
)

// current chooses the statement that folds the files as the table's rule says.
func (r *reading) current(files []placed) (statement string, p places) {
	var folded, deltas []placed
	for _, f := range files {
		switch f.Kind {
		case lake.Folded:
			folded = append(folded, f)
		case lake.History:
		default:
			deltas = append(deltas, f)
		}
	}
	p = places{"columns": r.columns()}
	switch {
	case r.table.Fold == tables.Append:
		p["files"] = r.scan(files)
		return "duck/every.sql", p
	case len(deltas) == 0:
		p["files"] = r.scan(folded)
		return "duck/every.sql", p
	}
	p["folded"], p["deltas"], p["key"], p["same"] = r.scan(folded), r.scan(deltas), quoteAll(r.key()), r.same("f", "n")
	if r.table.Fold == tables.Ordered {
		return "duck/ordered.sql", p
	}
	return "duck/newest.sql", p
}

// columns lists the table's columns.
func (r *reading) columns() string { return quoteAll(r.table.ColumnNames()) }

// key is the table's key, led by its hash where that follows from the key: files
// are sorted by it.
func (r *reading) key() []string {
	hashed := slices.Contains(r.table.Key, pipeline.ColKey) && slices.Contains(r.table.ColumnNames(), pipeline.ColKHash)
	if hashed {
		return append([]string{pipeline.ColKHash}, r.table.Key...)
	}
	return r.table.Key
}

// same compares the keys of two relations. Parts of a key may be null, and null
// is the same as null there; a hash never is.
func (r *reading) same(a, b string) string {
	var parts []string
	for _, k := range r.key() {
		equal := "IS NOT DISTINCT FROM"
		if k == pipeline.ColKHash {
			equal = "="
		}
		parts = append(parts, fmt.Sprintf("%s.%s %s %s.%s", a, Quote(k), equal, b, Quote(k)))
	}
	return strings.Join(parts, " AND ")
}

// scan reads files as one relation of the table's columns, in their types, and
// the places. Files come from versions with fewer columns: an empty relation
// stands beside them that has every column, so that none is missing or untyped.
// Those of one shape are one list: a statement then opens one of them to know the
// columns of all, where it would open each to unite them, once for each statement.
func (r *reading) scan(files []placed) string {
	typed := r.empty()
	if len(files) == 0 {
		return "(" + typed + ")"
	}
	var shapes []string
	of := map[string][]placed{}
	for _, f := range files {
		if _, known := of[f.shape]; !known {
			shapes = append(shapes, f.shape)
		}
		of[f.shape] = append(of[f.shape], f)
	}
	var b strings.Builder
	b.WriteString("(SELECT ")
	for _, c := range r.table.Columns {
		fmt.Fprintf(&b, "CAST(%[1]s AS %[2]s) AS %[1]s, ", Quote(c.Name), c.Type.DuckDB())
	}
	fmt.Fprintf(&b, "%s, %s, %s FROM (%s", ColSeq, ColOrd, ColPos, typed)
	for _, shape := range shapes {
		var paths, seqs, ords []string
		for _, f := range of[shape] {
			paths = append(paths, Literal(f.path))
			seqs = append(seqs, strconv.FormatUint(f.Seq, 10))
			ords = append(ords, strconv.Itoa(f.ord))
		}
		fmt.Fprintf(&b, " UNION ALL BY NAME SELECT *, %s AS %s, %s AS %s, %s AS %s FROM read_parquet([%s])%s",
			pick(seqs), ColSeq, pick(ords), ColOrd, fileRow, ColPos, strings.Join(paths, ", "), r.where())
	}
	b.WriteString("))")
	return b.String()
}

// empty is a relation without rows that has every column.
func (r *reading) empty() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	for _, c := range r.table.Columns {
		fmt.Fprintf(&b, "NULL::%s AS %s, ", c.Type.DuckDB(), Quote(c.Name))
	}
	fmt.Fprintf(&b, "NULL::BIGINT AS %s, NULL::BIGINT AS %s, NULL::BIGINT AS %s WHERE false", ColSeq, ColOrd, ColPos)
	return b.String()
}

// pick looks up what belongs to a row's file.
func pick(perFile []string) string {
	return fmt.Sprintf("([%s]::BIGINT[])[%s::BIGINT + 1]", strings.Join(perFile, ", "), fileIndex)
}

func (r *reading) where() string {
	if !r.ranged {
		return ""
	}
	return fmt.Sprintf(" WHERE %s BETWEEN %d AND %d", Quote(pipeline.ColKHash), r.lowest, r.highest)
}
