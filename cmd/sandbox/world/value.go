package world

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Values are fields by name in canonical text, nil for null. A record has all
// fields of its entity; where fields are set, a name that is not there is left as
// it is. Values of records are never changed in place.
type Values map[string]*string

// Text makes a value that is not null.
func Text(s string) *string { return &s }

// Get is the text of a field; "" for null.
func (v Values) Get(field string) string {
	if v[field] == nil {
		return ""
	}
	return *v[field]
}

// With is a copy with some fields set to new values.
func (v Values) With(set Values) Values {
	out := make(Values, len(v)+len(set))
	maps.Copy(out, v)
	maps.Copy(out, set)
	return out
}

// Changed lists the fields in which two records differ, with the values of after.
func (v Values) Changed(after Values) Values {
	out := Values{}
	for name, now := range after {
		if !same(v[name], now) {
			out[name] = now
		}
	}
	return out
}

// same compares two nullable texts.
func same(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// show renders a nullable text for people.
func show(v *string) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *v)
}

// kind is what a field holds, and what a system accepts in it.
type kind struct {
	name  string
	check func(text string) error
}

func text() kind { return kind{"text", func(string) error { return nil }} }

// term is a text that names something; no system keeps it other than it was sent.
func term() kind { return kind{"term", func(string) error { return nil }} }

// code is a key that people spell in their own ways: equal after trim and upper.
func code() kind { return kind{"code", func(string) error { return nil }} }

func date() kind { return timed("date", time.DateOnly) }

const stampLayout = "2006-01-02T15:04:05Z" // of canonical times: UTC, whole seconds

func moment() kind { return timed("time", stampLayout) }

func timed(name, layout string) kind {
	return kind{name, func(text string) error {
		if _, err := time.Parse(layout, text); err != nil {
			return fmt.Errorf("%q is no %s", text, name)
		}
		return nil
	}}
}

func amount() kind {
	return kind{"amount", func(text string) error { _, err := cents(text); return err }}
}

func integer() kind {
	return kind{"whole number", func(text string) error {
		if n, err := strconv.ParseInt(text, 10, 64); err != nil || strconv.FormatInt(n, 10) != text {
			return fmt.Errorf("%q is no whole number", text)
		}
		return nil
	}}
}

func flag() kind { return oneOf("true", "false") }

func oneOf(values ...string) kind {
	return kind{"one of", func(text string) error {
		for _, v := range values {
			if v == text {
				return nil
			}
		}
		return fmt.Errorf("%q is none of %s", text, strings.Join(values, ", "))
	}}
}

// cents reads an amount of exactly two places, of at most twelve digits.
func cents(text string) (int64, error) {
	whole, part, ok := strings.Cut(text, ".")
	digits := strings.TrimPrefix(whole, "-")
	if !ok || len(part) != 2 || digits == "" || len(digits) > 10 {
		return 0, fmt.Errorf("amount %q is no decimal of two places", text)
	}
	n, err := strconv.ParseInt(whole+part, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q is no decimal of two places", text)
	}
	return n, nil
}

// decimal renders cents with two places.
func decimal(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}
