package world

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The systems of the world.
const (
	PMS     = "pms"     // holds all bookings
	Staybnb = "staybnb" // holds the bookings whose channel is "staybnb"
)

// Field is one canonical field of a booking.
type Field int

// The canonical fields of a booking, in the order in which they are printed.
const (
	Code      Field = iota // string, the key; equal after trim and upper
	Channel                // string: where the booking was made
	ListingID              // string
	CheckIn                // date, YYYY-MM-DD
	CheckOut               // date, after CheckIn
	GuestName              // string
	Price                  // decimal(12,2), always with two places
	Status                 // pending, confirmed, cancelled, completed
	Notes                  // string; "" and null are two values
	fieldCount
)

// Fields lists the canonical fields in order.
func Fields() []Field {
	all := make([]Field, fieldCount)
	for i := range all {
		all[i] = Field(i)
	}
	return all
}

// String is the field's name, as in the project file.
func (f Field) String() string {
	names := [fieldCount]string{"code", "channel", "listing_id", "check_in", "check_out", "guest_name", "price", "status", "notes"}
	if f < 0 || f >= fieldCount {
		return fmt.Sprintf("field(%d)", int(f))
	}
	return names[f]
}

// FieldNamed finds a field by its name.
func FieldNamed(name string) (Field, bool) {
	for _, f := range Fields() {
		if f.String() == name {
			return f, true
		}
	}
	return 0, false
}

// Authority says which systems are right about a field, best first: the rule of
// the demo's project file, and Verify's default.
func Authority(f Field) []string {
	if f == GuestName {
		return []string{Staybnb, PMS} // guests write their own names on the channel
	}
	return []string{PMS, Staybnb}
}

// Booking is the canonical form of a record: one text per field, nil for null.
// The texts are never changed in place, so that copies may share them.
type Booking [fieldCount]*string

// Values are fields by name in canonical text, nil for null. A name that is not
// in the map is left as it is.
type Values map[string]*string

// Text makes a value that is not null.
func Text(s string) *string { return &s }

// Get is the text of a field; "" for null.
func (b Booking) Get(f Field) string {
	if b[f] == nil {
		return ""
	}
	return *b[f]
}

// Key is the booking's canonical key: its code, trimmed and in upper case.
func (b Booking) Key() string { return KeyOf(b.Get(Code)) }

// KeyOf is the canonical key of a code as a system writes it.
func KeyOf(code string) string { return strings.ToUpper(strings.TrimSpace(code)) }

// With is the booking with some fields set to new values.
func (b Booking) With(set Values) (Booking, error) {
	for name, v := range set {
		f, ok := FieldNamed(name)
		if !ok {
			return b, fmt.Errorf("a booking has no field %q", name)
		}
		b[f] = v
	}
	return b, nil
}

// Changed lists the fields in which two bookings differ, with the values of after.
func (b Booking) Changed(after Booking) Values {
	out := Values{}
	for _, f := range Fields() {
		if !same(b[f], after[f]) {
			out[f.String()] = after[f]
		}
	}
	return out
}

// Values is the whole booking by field name.
func (b Booking) Values() Values {
	out := make(Values, fieldCount)
	for _, f := range Fields() {
		out[f.String()] = b[f]
	}
	return out
}

// MarshalJSON renders the booking as an object of its fields.
func (b Booking) MarshalJSON() ([]byte, error) { return json.Marshal(b.Values()) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (b *Booking) UnmarshalJSON(raw []byte) error {
	var set Values
	if err := json.Unmarshal(raw, &set); err != nil {
		return fmt.Errorf("booking: %w", err)
	}
	next, err := Booking{}.With(set)
	*b = next
	return err
}

// same compares two nullable texts.
func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// agrees compares a field of two bookings in canonical form: codes are keys, and
// keys are compared normalised.
func agrees(f Field, a, b *string) bool {
	if f == Code && a != nil && b != nil {
		return KeyOf(*a) == KeyOf(*b)
	}
	return same(a, b)
}

// show renders a nullable text for people.
func show(v *string) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *v)
}
