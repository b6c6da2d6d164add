package world

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The entities of the world.
const (
	Bookings     = "bookings"
	Availability = "availability"
	Prices       = "prices"
	Messages     = "messages"
	Tasks        = "tasks"
)

// entity says what a kind of record is: its fields, what names it, who is right
// about it, and what people do with it.
type entity struct {
	name   string
	one    string // for people: "booking"
	fields []field
	key    []string
	check  func(Values) error // of what concerns several fields; may be nil

	// rules list the systems that are right about a field, best first, as the
	// demo's project file does; "" is the default.
	rules map[string][]string

	// conflicts are the fields where a rule decides between edits that had not seen
	// each other, as the demo's project file says.
	conflicts map[string]Conflict

	habit habit
}

// field is one canonical field.
type field struct {
	name string
	kind kind
	need bool // never null
}

// habit is what people do with the records of an entity.
type habit struct {
	weight int // share of what people do
	mix    Mix
	edits  []string // the fields that they change; one that stands twice is changed more often
	dying  []string // the systems in which they delete

	// make makes up the n-th record around a day; where lists the systems that
	// people make it in.
	make  func(r *rand.Rand, n int64, around time.Time) Values
	where func(Values) string

	// value makes up a plausible value of a field.
	value func(r *rand.Rand, field string, now time.Time) Values
}

// all lists the entities of the world, the first one being what every world has.
func entities() []*entity {
	return []*entity{bookingEntity(), availabilityEntity(), priceEntity(), messageEntity(), taskEntity()}
}

// Entities lists the names of the world's entities.
func Entities() []string {
	var names []string
	for _, e := range entities() {
		names = append(names, e.name)
	}
	return names
}

func entityNamed(name string) *entity {
	for _, e := range entities() {
		if e.name == name {
			return e
		}
	}
	return nil
}

// Fields lists the canonical fields of an entity in order.
func Fields(entity string) []string {
	var names []string
	if e := entityNamed(entity); e != nil {
		names = e.names()
	}
	return names
}

// Authority says which systems are right about a field, best first: the rule of
// the demo's project file, and Verify's default.
func Authority(entity, field string) []string {
	e := entityNamed(entity)
	if e == nil {
		return nil
	}
	if systems, ok := e.rules[field]; ok {
		return systems
	}
	return e.rules[""]
}

func (e *entity) names() []string {
	names := make([]string, len(e.fields))
	for i, f := range e.fields {
		names[i] = f.name
	}
	return names
}

func (e *entity) field(name string) (field, bool) {
	i := slices.IndexFunc(e.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return e.fields[i], true
}

// KeyOf is the canonical key of a booking's code as a system writes it.
func KeyOf(code string) string { return strings.ToUpper(strings.TrimSpace(code)) }

// keyOf is a record's canonical key: its key fields, joined by slashes.
func (e *entity) keyOf(v Values) string {
	if len(e.key) == 1 {
		return e.canonical(e.key[0], v.Get(e.key[0]))
	}
	parts := make([]string, len(e.key))
	for i, name := range e.key {
		parts[i] = e.canonical(name, v.Get(name))
	}
	return strings.Join(parts, "/")
}

// canonical is the form in which values of a field are compared.
func (e *entity) canonical(name, text string) string {
	if f, ok := e.field(name); ok && f.kind.name == "code" {
		return KeyOf(text)
	}
	return text
}

// agrees compares two values of a field in canonical form.
func (e *entity) agrees(name string, a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b || e.canonical(name, *a) == e.canonical(name, *b)
}

// whole is a record with every field of the entity, null where nothing is set.
func (e *entity) whole(set Values) (Values, error) { return e.with(Values{}, set) }

// with is a record with some fields set; a name that the entity does not have is an error.
func (e *entity) with(v, set Values) (Values, error) {
	out := make(Values, len(e.fields))
	for _, f := range e.fields {
		out[f.name] = v[f.name]
	}
	for name, value := range set {
		if _, ok := out[name]; !ok {
			return v, fmt.Errorf("a %s has no field %q", e.one, name)
		}
		out[name] = value
	}
	return out, nil
}

// accepts says why a system would not accept a record.
func (e *entity) accepts(v Values) error {
	for _, f := range e.fields {
		text := v[f.name]
		switch {
		case f.need && (text == nil || strings.TrimSpace(*text) == ""):
			return fmt.Errorf("a %s needs a %s", e.one, strings.ReplaceAll(f.name, "_", " "))
		case text == nil:
			continue
		}
		if err := f.kind.check(*text); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if e.check == nil {
		return nil
	}
	return e.check(v)
}

// checkStay is the check of bookings: people leave after they came.
func checkStay(v Values) error {
	if v.Get(CheckIn) >= v.Get(CheckOut) { // dates as texts sort as dates do
		return fmt.Errorf("check-out %s is not after check-in %s", v.Get(CheckOut), v.Get(CheckIn))
	}
	return nil
}
