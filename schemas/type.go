package schemas

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a type holds, without its parameters.
type Kind uint8

// The kinds of types. Zero is no kind.
const (
	String    Kind = iota + 1 // text
	Bool                      // true, false
	Int64                     // 64-bit integer
	Double                    // IEEE 754 binary64
	Decimal                   // exact decimal of Precision digits, Scale of them behind the point
	Date                      // day of the calendar, years 0001 to 9999
	Time                      // time of day in microseconds, without a zone
	Timestamp                 // instant in UTC microseconds, years 0001 to 9999
	JSON                      // any JSON value, kept in canonical form
	Enum                      // text out of Values
	List                      // values of type Elem, kept as a canonical JSON array
)

var kindNames = [...]string{String: "string", Bool: "bool", Int64: "int64", Double: "double", Decimal: "decimal",
	Date: "date", Time: "time", Timestamp: "timestamp", JSON: "json", Enum: "enum", List: "list"}

// String is the kind's name in a project file.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// MaxPrecision is the number of digits that a decimal can have.
const MaxPrecision = 38

// Type is a field's type. Only the parameters of its kind are set. Types are
// values; do not change Values or Elem of one that is in use.
type Type struct {
	Kind      Kind
	Precision int32    // Decimal: digits in all, 1 to MaxPrecision
	Scale     int32    // Decimal: digits behind the point, 0 to Precision
	Values    []string // Enum: what it may be
	Elem      *Type    // List: what it holds
}

// Equal reports whether t and o are the same type.
func (t Type) Equal(o Type) bool {
	if t.Kind != o.Kind || t.Precision != o.Precision || t.Scale != o.Scale || !slices.Equal(t.Values, o.Values) {
		return false
	}
	if t.Elem == nil || o.Elem == nil {
		return t.Elem == o.Elem
	}
	return t.Elem.Equal(*o.Elem)
}

// Check reports a type that cannot exist: no kind, digits out of range, an enum
// without values or with one twice, a list of nothing.
func (t Type) Check() error {
	switch t.Kind {
	case Decimal:
		if t.Precision < 1 || t.Precision > MaxPrecision || t.Scale < 0 || t.Scale > t.Precision {
			return fmt.Errorf("type %s: precision must be 1 to %d, and scale 0 to the precision", t, MaxPrecision)
		}
	case Enum:
		return t.checkValues()
	case List:
		if t.Elem == nil {
			return fmt.Errorf("type list: what it holds is missing, as in list(string)")
		}
		return t.Elem.Check()
	default:
		if t.Kind == 0 || int(t.Kind) >= len(kindNames) {
			return fmt.Errorf("no such type: %s", t.Kind)
		}
	}
	return nil
}

func (t Type) checkValues() error {
	if len(t.Values) == 0 {
		return fmt.Errorf("type enum: its values are missing, as in enum(open,closed)")
	}
	for i, v := range t.Values {
		if v == "" {
			return fmt.Errorf("type enum: value %d is empty", i+1)
		}
		if slices.Contains(t.Values[:i], v) {
			return fmt.Errorf("type enum: value %q is there twice", v)
		}
	}
	return nil
}

// String renders the type as ParseType reads it: "decimal(12,2)".
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Enum:
		quoted := make([]string, len(t.Values))
		for i, v := range t.Values {
			quoted[i] = quoteValue(v)
		}
		return "enum(" + strings.Join(quoted, ",") + ")"
	case List:
		if t.Elem == nil {
			return "list()"
		}
		return "list(" + t.Elem.String() + ")"
	}
	return t.Kind.String()
}

// quoteValue quotes an enum's value where a bare one would be read otherwise.
func quoteValue(v string) string {
	if v != "" && v == strings.TrimSpace(v) && !strings.ContainsAny(v, "',()") {
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}
