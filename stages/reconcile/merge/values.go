// Package merge is the oracle: the rules of the merge in plain Go, one record
// at a time, in the order in which they are explained to users. The SQL of
// reconcile is tested against it. It must never be clever or fast, and it must
// never touch a lake, DuckDB or a clock.
package merge

import (
	"maps"
	"slices"
)

// State is what is known of a field.
type State string

// The states. Unset: nobody ever said. Absent: the payloads never carried it.
// Null: somebody cleared it. Value: it has one. Unknown: it did not map. Unsure, of
// a base: we made the record with the field, got no answer, and found it otherwise.
const (
	Unset   State = "unset"
	Absent  State = "absent"
	Null    State = "null"
	Value   State = "value"
	Unknown State = "unknown"
	Unsure  State = "unsure"
)

// Val is a field's state and, with Value, its canonical text.
type Val struct {
	State State
	Text  string
}

// Of is a value.
func Of(text string) Val { return Val{Value, text} }

// Set reports whether somebody said what the field is: a value, or cleared.
func (v Val) Set() bool { return v.State == Value || v.State == Null }

// Pointer is the canonical text, or nil for everything that is no value.
func (v Val) Pointer() *string {
	if v.State != Value {
		return nil
	}
	return &v.Text
}

// Fields are values by field name. A name that is missing is unset.
type Fields map[string]Val

// Get is the field's value; a missing one is unset.
func (f Fields) Get(name string) Val {
	if v, ok := f[name]; ok {
		return v
	}
	return Val{State: Unset}
}

func (f Fields) clone() Fields {
	if f == nil {
		return Fields{}
	}
	return maps.Clone(f)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func overlap(a []string, has func(string) bool) bool { return slices.ContainsFunc(a, has) }
