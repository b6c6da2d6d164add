package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// booking is a record in neither system's form: a text per field, nil for null.
// It is read, judged and compared without any code of the program under test.
type booking map[string]*string

// contents are the bookings of one system by code.
type contents map[string]booking

// shared is the hotel whose bookings both systems hold.
const shared = "City Hotel"

// fieldsOfBooking are the fields that the systems share.
func fieldsOfBooking() []string {
	return []string{"code", "hotel", "arrival", "departure", "adults", "children", "country", "rate", "status", "prepaid", "agent", "title"}
}

// value is one that is not null.
func value(s string) *string { return &s }

func show(v *string) string {
	if v == nil {
		return "null"
	}
	return strconv.Quote(*v)
}

func same(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// with is the booking with some fields changed.
func (b booking) with(changes booking) booking {
	out := maps.Clone(b)
	maps.Copy(out, changes)
	return out
}

// inChannel is the part that belongs into the channel.
func (c contents) inChannel() contents {
	out := contents{}
	for code, b := range c {
		if b["hotel"] != nil && *b["hotel"] == shared {
			out[code] = b
		}
	}
	return out
}

// codes lists the codes in order.
func (c contents) codes() []string { return slices.Sorted(maps.Keys(c)) }

// effects are what makes one system's contents those of another: how many
// records are created, updated and deleted.
type effects struct{ created, updated, deleted int }

// against counts the effects that turn c into want.
func (c contents) against(want contents) effects {
	var n effects
	for code, b := range want {
		switch have, ok := c[code]; {
		case !ok:
			n.created++
		case len(differences(have, b)) > 0:
			n.updated++
		}
	}
	for code := range c {
		if want[code] == nil {
			n.deleted++
		}
	}
	return n
}

// differences names the fields in which two bookings differ.
func differences(have, want booking) []string {
	var out []string
	for _, f := range fieldsOfBooking() {
		if !same(have[f], want[f]) {
			out = append(out, fmt.Sprintf("%s is %s, not %s", f, show(have[f]), show(want[f])))
		}
	}
	return out
}

// mustHold compares a system with what it must hold, per record and per field.
func mustHold(t *testing.T, system string, have, want contents) {
	t.Helper()
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			t.Errorf(system+": "+format, args...)
		}
	}
	for _, code := range want.codes() {
		if b, ok := have[code]; !ok {
			complain("%s is not there", code)
		} else if d := differences(b, want[code]); len(d) > 0 {
			complain("%s: %s", code, strings.Join(d, "; "))
		}
	}
	for _, code := range have.codes() {
		if want[code] == nil {
			complain("%s should not be there", code)
		}
	}
	if wrong > 0 {
		t.Fatalf("%s: %d of %d records are wrong", system, wrong, len(want))
	}
}

// decimal is a number of cents with two places.
func decimal(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// cents reads a decimal with at most two places.
func cents(t testing.TB, s string) int64 {
	t.Helper()
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	if err != nil || len(part) > 2 {
		t.Fatalf("%q is no amount: %v", s, err)
	}
	return n
}

// redate writes a day in another layout.
func redate(t testing.TB, s, from, to string) string {
	t.Helper()
	day, err := time.Parse(from, s)
	if err != nil {
		t.Fatal(err)
	}
	return day.Format(to)
}
