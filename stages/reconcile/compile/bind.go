package compile

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
)

// Binder types expressions in DuckDB. Query is that of one session.
type Binder struct {
	Context context.Context
	Query   func(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

// bind finds an expression's type and the columns that it reads.
func (b Binder) bind(expr config.Expr, columns []schemas.Column) (Bound, error) {
	reads, err := b.references(expr.SQL, columns)
	if err != nil {
		return Bound{}, fmt.Errorf("%s: %w", place(expr.At), err)
	}
	var typed []string
	for _, c := range columns {
		typed = append(typed, "CAST(NULL AS "+c.Type.DuckDB()+") AS "+quote(c.Name))
	}
	source, err := b.text("SELECT typeof(x) FROM (SELECT (" + expr.SQL + ") AS x FROM (SELECT " + strings.Join(typed, ", ") + "))")
	if err != nil {
		return Bound{}, fmt.Errorf("%s: %s: %w", place(expr.At), expr.SQL, err)
	}
	sql := strings.TrimSpace(expr.SQL)
	column := len(reads) == 1 && (sql == reads[0] || sql == quote(reads[0]))
	return Bound{SQL: "(" + expr.SQL + ")", Source: source, Reads: reads, Column: column}, nil
}

// references walks the parsed expression for the columns that it names.
func (b Binder) references(expr string, columns []schemas.Column) ([]string, error) {
	text, err := b.text("SELECT CAST(json_serialize_sql(" + Literal("SELECT ("+expr+")") + ") AS VARCHAR)")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	if root, ok := tree.(map[string]any); ok && root["error"] == true {
		return nil, fmt.Errorf("%s: %v", expr, root["error_message"])
	}
	var names []string
	walkColumns(tree, func(name string) {
		if slices.ContainsFunc(columns, func(c schemas.Column) bool { return strings.EqualFold(c.Name, name) }) {
			names = append(names, declaredName(columns, name))
		}
	})
	slices.Sort(names)
	return slices.Compact(names), nil
}

// declaredName is the column's name as declared: SQL compares names without case.
func declaredName(columns []schemas.Column, name string) string {
	i := slices.IndexFunc(columns, func(c schemas.Column) bool { return strings.EqualFold(c.Name, name) })
	return columns[i].Name
}

func walkColumns(node any, visit func(name string)) {
	switch n := node.(type) {
	case map[string]any:
		if names, ok := n["column_names"].([]any); ok && n["class"] == "COLUMN_REF" {
			for _, part := range names {
				if name, ok := part.(string); ok {
					visit(name)
				}
			}
		}
		for _, child := range n {
			walkColumns(child, visit)
		}
	case []any:
		for _, child := range n {
			walkColumns(child, visit)
		}
	}
}

// text runs a statement that gives one text.
func (b Binder) text(statement string, args ...any) (string, error) {
	rows, err := b.Query(b.Context, statement, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var out string
	for rows.Next() {
		if err := rows.Scan(&out); err != nil {
			return "", err
		}
	}
	return out, rows.Err()
}
