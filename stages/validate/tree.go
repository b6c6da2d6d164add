package validate

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/trueup-data/trueup/pipeline/config"
)

// serialized is what json_serialize_sql gives.
type serialized struct {
	Error      bool   `json:"error"`
	Message    string `json:"error_message"`
	Position   any    `json:"position"` // a number or its text
	Statements []struct {
		Node map[string]any `json:"node"`
	} `json:"statements"`
}

// parse gives the syntax tree of an expression, or the problem that it has. It
// must be one expression with and without parentheses around it, and nothing
// else may have become part of the statement.
func (b *Binder) parse(ctx context.Context, e config.Expr) (any, config.Problems, error) {
	var tree any
	for _, around := range [][2]string{{open, closing}, {"SELECT ", "\n"}} {
		var text string
		if err := b.conn.QueryRowContext(ctx, b.treeSQL, around[0]+e.SQL+around[1]).Scan(&text); err != nil {
			return nil, nil, fmt.Errorf("parse %s:%d:%d: %w", e.At.File, e.At.Line, e.At.Column, err)
		}
		var s serialized
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return nil, nil, fmt.Errorf("read the syntax tree of %s:%d:%d: %w", e.At.File, e.At.Line, e.At.Column, err)
		}
		if s.Error {
			return nil, config.Problems{s.problem(e, len(around[0]))}, nil
		}
		only, ok := s.only()
		if !ok {
			return nil, config.Problems{config.Problem(e.At, "this is more than one expression", "a value is one expression over the fields of one record", "leave only that")}, nil
		}
		if tree == nil {
			tree = only
		}
	}
	return tree, nil, nil
}

func (s serialized) problem(e config.Expr, before int) *problem {
	at, why := e.At, short(s.Message)
	if offset, err := strconv.Atoi(fmt.Sprint(s.Position)); err == nil {
		offset -= before
		if at = e.Place(offset); offset >= len(e.SQL) {
			why = "it ends too early"
		}
	}
	return config.Problem(at, "this is not an SQL expression", why, "")
}

// only is the statement's single expression, if it has nothing else.
func (s serialized) only() (any, bool) {
	if len(s.Statements) != 1 {
		return nil, false
	}
	n := s.Statements[0].Node
	list, _ := n["select_list"].([]any)
	from, _ := n["from_table"].(map[string]any)
	ctes, _ := n["cte_map"].(map[string]any)
	if n["type"] != "SELECT_NODE" || len(list) != 1 || from["type"] != "EMPTY" || size(ctes["map"]) > 0 {
		return nil, false
	}
	for _, clause := range []string{"where_clause", "having", "qualify", "sample"} {
		if n[clause] != nil {
			return nil, false
		}
	}
	for _, clause := range []string{"modifiers", "group_expressions", "group_sets"} {
		if size(n[clause]) > 0 {
			return nil, false
		}
	}
	first, _ := list[0].(map[string]any)
	return first, first["alias"] == ""
}

func size(list any) int {
	l, _ := list.([]any)
	return len(l)
}
