package validate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/schemas"
)

type problem = fault.Error

// walker looks at every node of an expression's tree.
type walker struct {
	expr      config.Expr
	owner     string
	columns   []schemas.Column
	functions functions
	parse     func(sql string) (tree any, ok bool)

	problems  config.Problems
	seen      map[string]bool
	runDate   bool
	runDateAt int
}

// allowed are the classes of nodes that follow from one record alone.
var allowed = []string{"COLUMN_REF", "CONSTANT", "FUNCTION", "CASE", "CAST", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "COLLATE", "LAMBDA"}

// clocks are names that SQL reads as functions of the clock or the session.
var clocks = []string{"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "now", "today", "age", "ago",
	"get_current_time", "get_current_timestamp", "transaction_timestamp", "current_localtime", "current_localtimestamp"}

func (w *walker) report(offset int, what, why, help string) {
	w.problems = append(w.problems, config.Problem(w.expr.Place(offset-len(open)), what, why, help))
}

// visit looks at a node and what is below it. offset is where its parent stands
// in the parsed statement; bound are the parameters of lambdas around it.
func (w *walker) visit(v any, offset int, bound []string) {
	switch n := v.(type) {
	case []any:
		for _, item := range n {
			w.visit(item, offset, bound)
		}
	case map[string]any:
		class, isNode := n["class"].(string)
		if isNode {
			offset = location(n, offset)
			bound = w.node(n, class, offset, bound)
			if class == "CONSTANT" || class == "SUBQUERY" || class == "LAMBDA" {
				return // looked at, or refused as a whole
			}
		}
		for _, key := range sortedKeys(n) {
			w.visit(n[key], offset, bound)
		}
	}
}

// location is the node's own offset, or its parent's where it has none.
func location(n map[string]any, parent int) int {
	if at, ok := n["query_location"].(float64); ok && at < 1<<40 {
		return int(at)
	}
	return parent
}

func (w *walker) node(n map[string]any, class string, offset int, bound []string) []string {
	switch class {
	case "COLUMN_REF":
		w.column(texts(n["column_names"]), offset, bound)
	case "FUNCTION":
		w.function(n, offset)
	case "LAMBDA":
		w.lambda(n, offset, bound)
	case "COMPARISON":
		w.compared([]any{n["left"], n["right"]}, offset)
	case "OPERATOR":
		if t, _ := n["type"].(string); t == "COMPARE_IN" || t == "COMPARE_NOT_IN" {
			children, _ := n["children"].([]any)
			w.compared(children, offset)
		}
	case "WINDOW":
		w.report(offset, "a window function cannot stand here", "an expression sees one record", "leave it out")
	case "SUBQUERY":
		w.report(offset, "a subquery cannot stand here", "an expression sees one record", "declare what it needs as a field")
	default:
		if !slices.Contains(allowed, class) {
			what := map[string]string{"STAR": "*", "PARAMETER": "a parameter", "POSITIONAL_REFERENCE": "a position", "DEFAULT": "DEFAULT"}[class]
			w.report(offset, fmt.Sprintf("%s cannot stand here", or(what, class)), "an expression names the fields of one record", "name a field")
		}
	}
	return bound
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// column checks that a name is a declared field, or a lambda's parameter.
func (w *walker) column(names []string, offset int, bound []string) {
	if len(names) == 0 {
		return
	}
	name := names[0]
	if slices.Contains(bound, name) {
		return
	}
	c, ok := w.find(name)
	switch {
	case ok && len(names) == 1:
		w.read(c.Name)
	case ok:
		w.report(offset, fmt.Sprintf("%q has no fields of its own", name), c.Type.String()+" is one value", "JSON text is taken apart by "+name+" ->> '"+names[1]+"'")
	case slices.Contains(clocks, strings.ToLower(name)):
		w.clock(offset, name)
	default:
		w.report(offset, fmt.Sprintf("%q is no field of %s", strings.Join(names, "."), w.owner), "", suggest(names[len(names)-1], w.names()))
	}
}

func (w *walker) clock(offset int, name string) {
	w.report(offset, name+" reads the clock", "the same commit must always give the same output", "use run_date(), which is pinned for the run")
}

func (w *walker) find(name string) (schemas.Column, bool) {
	for _, c := range w.columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return schemas.Column{}, false
}

func (w *walker) read(name string) {
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[name] = true
}

// reads are the columns that the expression names, sorted.
func (w *walker) reads() []string { return sortedKeys(w.seen) }

func (w *walker) names() []string {
	out := make([]string, len(w.columns))
	for i, c := range w.columns {
		out[i] = c.Name
	}
	return out
}

// lambda binds the parameters for the body. What looks like x -> y is a lambda
// only if x is no field: else it takes a value out of JSON.
func (w *walker) lambda(n map[string]any, offset int, bound []string) {
	var parameters []string
	if lhs, ok := n["lhs"].(map[string]any); ok {
		parameters = texts(lhs["column_names"])
		children, _ := lhs["children"].([]any)
		for _, c := range children {
			if p, ok := c.(map[string]any); ok {
				parameters = append(parameters, texts(p["column_names"])...)
			}
		}
	}
	if _, isField := w.find(strings.Join(parameters, ",")); isField || len(parameters) == 0 {
		w.visit(n["lhs"], offset, bound)
		parameters = nil
	}
	w.visit(n["expr"], offset, append(slices.Clone(bound), parameters...))
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// suggest names the nearest valid name, or a few of them.
func suggest(name string, valid []string) string {
	if near := config.Nearest(name, valid); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(valid) == 0 || len(valid) > 20 {
		return ""
	}
	return "there are " + strings.Join(valid, ", ")
}
