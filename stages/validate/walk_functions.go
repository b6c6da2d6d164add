package validate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// function checks that a function is pure: its value follows from its arguments.
func (w *walker) function(n map[string]any, offset int) {
	name, _ := n["function_name"].(string)
	name = strings.ToLower(name)
	arguments, _ := n["children"].([]any)
	if name == runDate && len(arguments) == 0 {
		if !w.runDate {
			w.runDate, w.runDateAt = true, offset
		}
		return
	}
	f := w.functions[name]
	switch {
	case name == "age" && len(arguments) == 1, f != nil && f.unstable && slices.Contains(clocks, name), name == "ago":
		w.clock(offset, name+"()")
	case f == nil:
		w.report(offset, fmt.Sprintf("there is no function %s", name), "", suggest(name, w.functions.usable()))
	case f.unstable:
		w.report(offset, name+"() is not the same every time", "the same commit must always give the same output", "leave it out")
	case f.scalar, w.pure(f):
	case f.aggregate:
		w.report(offset, name+"() is an aggregate", "an expression sees one record", "leave it out; list_"+name+"() is for lists")
	default:
		w.report(offset, name+"() cannot stand here", "it gives rows or reads something outside the record", "leave it out")
	}
}

// pure judges a macro by its definition: it may use nothing that the file may not.
func (w *walker) pure(f *function) bool {
	if f.judged || len(f.macros) == 0 {
		return f.pure
	}
	f.judged = true // a macro that leads back to itself is not pure
	pure := true
	for _, m := range f.macros {
		tree, ok := w.parse(m.definition)
		if !ok {
			return false
		}
		inner := walker{functions: w.functions, parse: w.parse, owner: "a macro"}
		for _, p := range m.parameters {
			inner.columns = append(inner.columns, schemas.Column{Name: p})
		}
		inner.visit(tree, len(open), nil)
		pure = pure && len(inner.problems) == 0
	}
	f.pure = pure
	return pure
}

// compared checks texts that an enum is compared with.
func (w *walker) compared(sides []any, offset int) {
	for _, side := range sides {
		n, _ := side.(map[string]any)
		if n["class"] != "COLUMN_REF" {
			continue
		}
		names := texts(n["column_names"])
		if len(names) != 1 {
			continue
		}
		c, ok := w.find(names[0])
		if !ok || c.Type.Kind != schemas.Enum {
			continue
		}
		for _, other := range sides {
			w.oneOf(other, c.Type.Values, fmt.Sprintf("%q is never", c.Name), offset)
		}
	}
}

// oneOf reports a text constant that is not among the values of an enum.
func (w *walker) oneOf(v any, values []string, what string, offset int) {
	n, _ := v.(map[string]any)
	text, ok := constantText(n)
	if !ok || slices.Contains(values, text) {
		return
	}
	w.report(location(n, offset), fmt.Sprintf("%s '%s'", what, text), "it is one of "+strings.Join(values, ", "), suggest(text, values))
}

func constantText(n map[string]any) (string, bool) {
	value, _ := n["value"].(map[string]any)
	if n["class"] != "CONSTANT" || value["is_null"] == true {
		return "", false
	}
	text, ok := value["value"].(string)
	return text, ok
}

// isNull: the whole expression is NULL, which fits every type.
func isNull(tree any) bool {
	n, _ := tree.(map[string]any)
	value, _ := n["value"].(map[string]any)
	return n["class"] == "CONSTANT" && value["is_null"] == true
}

// results checks the texts that an expression gives as they stand, if an enum is wanted.
func (w *walker) results(tree any, want Want) {
	if !want.literals {
		return
	}
	n, _ := tree.(map[string]any)
	switch n["class"] {
	case "CASE":
		checks, _ := n["case_checks"].([]any)
		for _, c := range checks {
			if check, ok := c.(map[string]any); ok {
				w.results(check["then_expr"], want)
			}
		}
		w.results(n["else_expr"], want)
	case "OPERATOR":
		if n["type"] == "OPERATOR_COALESCE" {
			children, _ := n["children"].([]any)
			for _, c := range children {
				w.results(c, want)
			}
		}
	case "CONSTANT":
		w.oneOf(n, want.typ.Values, "the field is never", len(open))
	}
}
