package world

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// member is how one canonical field stands in a system's JSON.
type member struct {
	path  string // of the member, dotted
	field Field
	out   func(text string) any                     // canonical text -> JSON value
	in    func(raw json.RawMessage) (string, error) // JSON value, not null -> canonical text
}

// dialect is a system's JSON of a booking.
type dialect struct {
	members  []member
	readOnly []string // members that a write may repeat and that are ignored
	nulls    bool     // nulls are shown; otherwise they are left out
}

// object renders the fields of a booking.
func (d dialect) object(b Booking) map[string]any {
	out := map[string]any{}
	for _, m := range d.members {
		switch v := b[m.field]; {
		case v != nil:
			place(out, m.path, m.out(*v))
		case d.nulls:
			place(out, m.path, nil)
		}
	}
	return out
}

// place sets a member at a dotted path.
func place(out map[string]any, path string, v any) {
	parent, rest, nested := strings.Cut(path, ".")
	if !nested {
		out[path] = v
		return
	}
	inner, ok := out[parent].(map[string]any)
	if !ok {
		inner = map[string]any{}
		out[parent] = inner
	}
	place(inner, rest, v)
}

// read lays a body over a booking: members that the body does not have stay.
func (d dialect) read(body []byte, b Booking) (Booking, error) {
	flat := map[string]json.RawMessage{}
	if err := flatten(body, "", flat); err != nil {
		return b, err
	}
	for _, name := range d.readOnly {
		delete(flat, name)
	}
	for _, m := range d.members {
		raw, ok := flat[m.path]
		if !ok {
			continue
		}
		delete(flat, m.path)
		if string(raw) == "null" {
			b[m.field] = nil
			continue
		}
		text, err := m.in(raw)
		if err != nil {
			return b, fmt.Errorf("%s: %w", m.path, err)
		}
		b[m.field] = &text
	}
	for name := range flat {
		return b, fmt.Errorf("%s: no such field", name)
	}
	return b, nil
}

// flatten lists the members of an object by dotted path; members of inner objects
// stand for themselves.
func flatten(body []byte, prefix string, into map[string]json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return errors.New("the body is no JSON object")
	}
	for name, raw := range members {
		if bytes.HasPrefix(raw, []byte("{")) {
			if err := flatten(raw, prefix+name+".", into); err != nil {
				return err
			}
			continue
		}
		into[prefix+name] = raw
	}
	return nil
}

func asText(text string) any { return text }

func fromText(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", errors.New("must be text")
	}
	return s, nil
}

// fromDecimalText reads "120.5" or "120.50": an amount as text, of at most two places.
func fromDecimalText(raw json.RawMessage) (string, error) {
	s, err := fromText(raw)
	if err != nil {
		return "", err
	}
	whole, part, _ := strings.Cut(s, ".")
	if len(part) > 2 {
		return "", fmt.Errorf("%q has more than two decimal places", s)
	}
	n, err := cents(whole + "." + part + strings.Repeat("0", 2-len(part)))
	if err != nil {
		return "", err
	}
	return decimal(n), nil
}

func asCents(text string) any {
	n, err := cents(text)
	if err != nil { // stored amounts were checked
		return text
	}
	return n
}

func fromCents(raw json.RawMessage) (string, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return "", errors.New("must be a whole number of cents")
	}
	return decimal(n), nil
}

const slashDate = "02/01/2006"

func asSlashDate(text string) any {
	d, err := time.Parse(time.DateOnly, text)
	if err != nil { // stored dates were checked
		return text
	}
	return d.Format(slashDate)
}

func fromSlashDate(raw json.RawMessage) (string, error) {
	s, err := fromText(raw)
	if err != nil {
		return "", err
	}
	d, err := time.Parse(slashDate, s)
	if err != nil {
		return "", fmt.Errorf("%q is no date of the form dd/mm/yyyy", s)
	}
	return d.Format(time.DateOnly), nil
}

func asState(status string) any {
	if status == "confirmed" {
		return "ok"
	}
	return status
}

func fromState(raw json.RawMessage) (string, error) {
	s, err := fromText(raw)
	if s == "ok" {
		return "confirmed", err
	}
	if s == "confirmed" {
		return "", errors.New("\"confirmed\" is not a state here: it is called \"ok\"")
	}
	return s, err
}
