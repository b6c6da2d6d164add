package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// evaluated is a query over relation that computes bound expressions with
// their states: for the i-th, _v<i> is the typed value and _t<i> the state. An
// expression whose absent flags are up is absentState; one that fails, or whose
// result is no exact value of its type, is unknown, and never null. So is one
// whose flag is down, which is not computed.
func evaluated(keep string, bounds []Bound, absent func(column string) string, absentState, relation string, flag func(Bound) string) string {
	var raw, cast, state []string
	for i, b := range bounds {
		away := fmt.Sprintf("%s AS _a%d", anyOf(b.Reads, absent), i)
		if b.plain() {
			raw = append(raw, fmt.Sprintf("%s AS _c%d, %s", b.SQL, i, away))
			state = append(state, fmt.Sprintf("CASE WHEN _a%d THEN '%s' WHEN _c%d IS NULL THEN 'null' ELSE 'value' END AS _t%d", i, absentState, i, i))
			continue
		}
		x := fmt.Sprintf("_x%d", i)
		raw = append(raw, fmt.Sprintf("%s AS %s, %s AS _n%d, %s", when(flag(b), "TRY("+b.SQL+")"), x, when(flag(b), "TRY(("+b.SQL+") IS NULL)"), i, away))
		cast = append(cast, fmt.Sprintf("%s AS _c%d", b.cast(x), i))
		state = append(state, fmt.Sprintf("CASE WHEN _a%d THEN '%s' WHEN _n%d IS NULL THEN 'unknown' WHEN _n%d THEN 'null' WHEN %s THEN 'value' ELSE 'unknown' END AS _t%d",
			i, absentState, i, i, b.exact(fmt.Sprintf("_c%d", i), x), i))
	}
	inner := "SELECT " + join(keep, raw) + " FROM " + relation
	typed := "SELECT *" + prefixed(cast) + " FROM (" + inner + ")"
	stated := "SELECT *" + prefixed(state) + " FROM (" + typed + ")"
	var out []string
	for i := range bounds {
		out = append(out, fmt.Sprintf("CASE WHEN _t%d = 'value' THEN _c%d END AS _v%d, _t%d", i, i, i, i))
	}
	return "SELECT " + join(keep, out) + " FROM (" + stated + ")"
}

// plain reports whether the expression is a column of the type that is wanted:
// nothing is computed, and nothing can fail.
func (b Bound) plain() bool {
	return b.Column && b.Source == b.Type.DuckDB() && len(b.Steps) == 0 && b.Type.Kind != schemas.Enum
}

// long turns the columns of evaluated into rows (field, state, value), those whose
// flag is up.
func long(keep, name string, bounds []Bound, relation string, flag func(Bound) string) string {
	if len(bounds) == 0 {
		return fmt.Sprintf("SELECT %s, NULL::VARCHAR AS %s, NULL::VARCHAR AS state, NULL::VARCHAR AS value FROM (%s) WHERE false", keep, name, relation)
	}
	var structs []string
	for i, b := range bounds {
		structs = append(structs, when(flag(b), fmt.Sprintf("{'name': %s, 'state': _t%d, 'value': %s}", Literal(b.Name), i, b.canonical(fmt.Sprintf("_v%d", i)))))
	}
	return fmt.Sprintf("SELECT %s, _u.name AS %s, _u.state AS state, _u.value AS value FROM (SELECT %s, unnest([%s]) AS _u FROM (%s)) WHERE _u IS NOT NULL",
		keep, name, keep, strings.Join(structs, ", "), relation)
}

// always is the flag of what is never left out.
func always(Bound) string { return "true" }

// canonical is the canonical text of a value, after what is declared to be lost.
func (b Bound) canonical(value string) string {
	if b.Loss != nil {
		return b.Loss.FoldSQL(b.Type, value)
	}
	return schemas.CanonicalSQL(b.Type, value)
}

// cast is the value in the declared type; NULL where it is none.
func (b Bound) cast(x string) string {
	c := fmt.Sprintf("TRY_CAST(%s AS %s)", x, b.Type.DuckDB())
	if len(b.Steps) > 0 {
		return schemas.NormalizeSQL(c, b.Steps)
	}
	return c
}

// exact holds if the cast lost nothing. Text is judged by whether it casts at
// all; numbers and times must still equal what they were.
func (b Bound) exact(c, x string) string {
	test := c + " IS NOT NULL"
	if b.Type.Kind == schemas.Enum {
		var values []string
		for _, v := range b.Type.Values {
			values = append(values, Literal(v))
		}
		test += " AND " + c + " IN (" + strings.Join(values, ", ") + ")"
	}
	if target := b.Type.DuckDB(); b.Source != target && b.Source != "VARCHAR" && target != "VARCHAR" && b.Source != `"NULL"` {
		test = "CASE WHEN " + test + " THEN " + c + " = " + x + " ELSE false END"
	}
	return test
}

func anyOf(columns []string, flag func(column string) string) string {
	var flags []string
	for _, c := range columns {
		flags = append(flags, flag(c))
	}
	if len(flags) == 0 {
		return "false"
	}
	return "(" + strings.Join(flags, " OR ") + ")"
}

func join(first string, rest []string) string {
	return strings.Join(append([]string{first}, rest...), ", ")
}

func prefixed(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return ", " + strings.Join(list, ", ")
}

func (s System) column(name string) int {
	return slices.IndexFunc(s.Columns, func(f schemas.Field) bool { return f.Name == name })
}

func (e *Entity) field(name string) int {
	for i, f := range e.Fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}
