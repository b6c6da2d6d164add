package validate

import (
	"context"
	"database/sql"
	"sort"
	"strings"
)

// functions is DuckDB's catalog of functions, by lower-case name.
type functions map[string]*function

// function is what all overloads of a name are together.
type function struct {
	scalar, aggregate, table bool
	unstable                 bool // an overload whose value does not follow from its arguments
	macros                   []macro
	judged, pure             bool // of macros, once looked at
}

type macro struct {
	definition string
	parameters []string
}

// hidden are functions that DuckDB calls consistent, though they read the clock,
// the session or its own version.
var hidden = []string{"current_localtime", "current_localtimestamp", "current_setting", "getvariable", "version", "alias"}

func readFunctions(ctx context.Context, conn *sql.Conn, query string) (functions, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := functions{}
	for rows.Next() {
		var name, kind, stability, definition, parameters string
		if err := rows.Scan(&name, &kind, &stability, &definition, &parameters); err != nil {
			return nil, err
		}
		f := out[name]
		if f == nil {
			f = &function{}
			out[name] = f
		}
		f.add(kind, stability, definition, parameters)
	}
	for _, name := range hidden {
		if f := out[name]; f != nil {
			f.unstable = true
		}
	}
	return out, rows.Err()
}

func (f *function) add(kind, stability, definition, parameters string) {
	switch kind {
	case "scalar":
		f.scalar = true
		f.unstable = f.unstable || stability != "CONSISTENT"
	case "aggregate":
		f.aggregate = true
	case "macro":
		f.macros = append(f.macros, macro{definition: definition, parameters: strings.Split(parameters, ",")})
	default:
		f.table = true
	}
}

// usable lists the functions that an expression may name, for suggestions.
func (f functions) usable() []string {
	var names []string
	for name, fn := range f {
		if (fn.scalar && !fn.unstable) || (len(fn.macros) > 0 && (!fn.judged || fn.pure)) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return append(names, runDate)
}

const runDate = "run_date"
