package validate

import (
	"strings"

	"github.com/trueup-data/trueup/schemas"
)

// Want is what an expression must give.
type Want struct {
	condition bool
	typ       schemas.Type
	timeless  string // what it is, if it must not change with the run's date
	literals  bool   // texts that it gives must be of the enum
}

// Condition wants true or false.
func Condition() Want { return Want{condition: true} }

// Value wants what can be cast to a declared type.
func Value(t schemas.Type) Want { return Want{typ: t, literals: t.Kind == schemas.Enum} }

// Timeless refuses run_date() as well: what, such as "a key", is computed when a
// record is read, and must be the same whenever that is.
func (w Want) Timeless(what string) Want {
	w.timeless = what
	return w
}

// refuse says why a result type of DuckDB is not what is wanted, and what to do;
// "" if it is. Casts that DuckDB itself refuses are not looked at here.
func (w Want) refuse(got string) (why, help string) {
	if w.condition {
		if got != "BOOLEAN" {
			return "it gives " + got + ", and a condition is true or false", "compare it with something"
		}
		return "", ""
	}
	nested := strings.HasSuffix(got, "]") || strings.HasPrefix(got, "STRUCT") || strings.HasPrefix(got, "MAP") || strings.HasPrefix(got, "UNION")
	switch w.typ.Kind {
	case schemas.JSON, schemas.List:
		if got != "VARCHAR" && got != "JSON" {
			return "it gives " + got + ", and " + w.typ.String() + " is JSON text", "wrap it: to_json(...)"
		}
	case schemas.Timestamp:
		return instant(got)
	default:
		if nested || got == "BLOB" || strings.HasPrefix(got, "BIT") {
			return "it gives " + got + ", and the field is " + w.typ.String(), "take one value out of it"
		}
	}
	return "", ""
}

// instant refuses what names no instant: DuckDB would take it for UTC in silence.
func instant(got string) (why, help string) {
	switch {
	case got == "TIMESTAMP WITH TIME ZONE":
		return "", ""
	case got == "VARCHAR":
		return "text may leave out the zone", "declare the stream's field as timestamp with its format, or use strptime(..., '...') AT TIME ZONE 'Europe/Lisbon'"
	case strings.HasPrefix(got, "TIMESTAMP"), got == "DATE":
		return "it gives " + got + ", which has no zone", "say in which one: (...) AT TIME ZONE 'Europe/Lisbon'"
	}
	return "", ""
}
