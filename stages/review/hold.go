package review

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Hold is a field, the fields of a group, or the presence of a record that waits
// for a person, with every side as it is shown now.
type Hold struct {
	ID     string           `json:"hold"`
	Entity string           `json:"entity"`
	Key    string           `json:"key"`
	Field  string           `json:"field"` // fields of a group joined by commas; "" is the presence
	Kind   string           `json:"kind"`
	Reason string           `json:"reason"`
	Golden map[string]Value `json:"golden"`
	Sides  map[string]Side  `json:"contenders"` // by system
	Shown  string           `json:"-"`          // the sides as they are stored: what a decision judges
}

// Value is a field's value with its state: value, null, unset, absent.
type Value struct {
	State  string  `json:"state"`
	Value  *string `json:"value"`
	Source *string `json:"source,omitempty"`
}

// Side is what a system says in a hold, and what it was judged by before.
type Side struct {
	ID     string `json:"id"`
	Fields map[string]struct {
		Value
		BaseState string  `json:"base_state"`
		Base      *string `json:"base"`
	} `json:"fields"`
}

// Choice is what a person chose of a hold: a side, values, or to leave it.
type Choice struct {
	Take  string             `json:"take,omitempty"`
	Value map[string]*string `json:"value,omitempty"`
	Leave bool               `json:"leave,omitempty"`
}

// JSON is the choice as a decision stores it.
func (c Choice) JSON() (string, error) {
	text, err := json.Marshal(c)
	return string(text), err
}

func (v Value) set() bool { return v.State == "value" || v.State == "null" }

// fields are those of the hold; none for a presence.
func (h Hold) fields() []string {
	if h.Field == "" {
		return nil
	}
	return strings.Split(h.Field, ",")
}

// Take is the choice of a side: a system of the hold, golden, or base, what all
// sides were judged by before; of a presence keep, delete or golden. The values
// are those that the person was shown. The error says what can be taken.
func (h Hold) Take(what string) (Choice, error) {
	if h.Field == "" {
		if !slices.Contains([]string{"golden", "keep", "delete"}, what) {
			return Choice{}, h.cannotTake(what, []string{"keep", "delete", "golden"})
		}
		return Choice{Take: what}, nil
	}
	if what == "golden" {
		return h.golden()
	}
	if what == "base" {
		return h.base()
	}
	side, ok := h.Sides[what]
	if !ok {
		return Choice{}, h.cannotTake(what, append(slices.Sorted(maps.Keys(h.Sides)), "golden", "base"))
	}
	return Choice{Take: what, Value: h.taken(side)}, nil
}

func (h Hold) cannotTake(what string, can []string) error {
	return fault.New(fault.Permanent, "decide", fmt.Errorf("%q is no side of hold %s", what, h.Short())).
		WithHelp("take one of " + strings.Join(can, ", ")).WithNote("nothing was decided")
}

// taken are the values that a side stands for: of a group, a field that it does
// not carry is golden's, else its base. What nobody ever set is left out.
func (h Hold) taken(side Side) map[string]*string {
	out := map[string]*string{}
	for _, f := range h.fields() {
		v, golden := side.Fields[f], h.Golden[f]
		base := Value{State: v.BaseState, Value: v.Base}
		for _, from := range []Value{v.Value, golden, base} {
			if from.set() {
				out[f] = from.Value
				break
			}
		}
	}
	return out
}

// golden is the choice of golden, where it has what the sides show: else they
// would stay apart for good, and nobody would be told.
func (h Hold) golden() (Choice, error) {
	for _, f := range h.fields() {
		for _, side := range h.Sides {
			if side.Fields[f].set() && !h.Golden[f].set() {
				return Choice{}, fault.New(fault.Permanent, "decide", fmt.Errorf("golden has no %s yet", f)).
					WithHelp("take a system, give a value, or leave the difference").WithNote("nothing was decided")
			}
		}
	}
	return Choice{Take: "golden"}, nil
}

// base is what all sides were judged by before, if it is the same.
func (h Hold) base() (Choice, error) {
	values := map[string]*string{}
	for _, f := range h.fields() {
		for _, system := range slices.Sorted(maps.Keys(h.Sides)) {
			v := h.Sides[system].Fields[f]
			old, seen := values[f]
			switch {
			case !(Value{State: v.BaseState}).set():
				return Choice{}, h.noBase("nobody had a value of " + f + " before")
			case seen && !equal(old, v.Base):
				return Choice{}, h.noBase("the sides had different values of " + f + " before")
			}
			values[f] = v.Base
		}
	}
	return Choice{Take: "base", Value: values}, nil
}

func (h Hold) noBase(why string) error {
	return fault.New(fault.Permanent, "decide", errors.New(why)).
		WithHelp("take a system or golden, or give a value").WithNote("nothing was decided")
}

// Values is the choice of values of the person's own; nil clears a field. The
// fields must be those of the hold.
func (h Hold) Values(values map[string]*string) (Choice, error) {
	for f := range values {
		if !slices.Contains(h.fields(), f) {
			return Choice{}, fault.New(fault.Permanent, "decide", fmt.Errorf("hold %s is not about a field %q", h.Short(), f)).
				WithHelp("it is about " + h.About()).WithNote("nothing was decided")
		}
	}
	return Choice{Value: values}, nil
}

// Short is enough of the ID to name the hold.
func (h Hold) Short() string { return h.ID[:min(12, len(h.ID))] }

// About says what is held, for people.
func (h Hold) About() string {
	if h.Field == "" {
		return "the presence of the record"
	}
	return strings.Join(h.fields(), " and ")
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
