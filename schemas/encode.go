package schemas

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// EncodeJSON writes a value, given as canonical text, as the field's system wants
// it; nil is null. It refuses text that is no value of the type, and a value that
// the field's format cannot hold: reading the result gives the same value again.
func EncodeJSON(f Field, canonical *string) ([]byte, error) {
	if canonical == nil {
		return []byte("null"), nil
	}
	c, err := newCodec(f)
	if err != nil {
		return nil, err
	}
	wire, err := c.write(*canonical)
	if err != nil {
		return nil, fmt.Errorf("field %s: %w", f.Name, err)
	}
	return wire, nil
}

// canonical is the canonical text of what read gave.
func (c *codec) canonical(v scalar, text []byte) string {
	var buf [64]byte
	return string(c.appendCanonical(buf[:0], v, text))
}

func (c *codec) appendCanonical(dst []byte, v scalar, text []byte) []byte {
	switch c.t.Kind {
	case Bool:
		return strconv.AppendBool(dst, v.bits != 0)
	case Int64, Timestamp:
		return strconv.AppendInt(dst, v.bits, 10)
	case Double:
		return appendDouble(dst, math.Float64frombits(uint64(v.bits)))
	case Decimal:
		return appendDecimal(dst, v.decimal(), c.t.Scale)
	case Date:
		return appendDate(dst, int32(v.bits))
	case Time:
		return appendTime(dst, v.bits)
	}
	return append(dst, text...)
}

// write gives the wire form of a canonical text.
func (c *codec) write(canonical string) ([]byte, error) {
	v, err := c.t.parseCanonical(canonical)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", c.t, canonical, err)
	}
	switch c.t.Kind {
	case Bool, JSON, List:
		return []byte(canonical), nil
	case Double:
		if f := math.Float64frombits(uint64(v.bits)); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("JSON has no number %s", canonical)
		}
		return c.quoteIf(canonical), nil
	case Int64, Decimal:
		return c.quoteIf(canonical), nil
	case Date, Time, Timestamp:
		return c.writeTime(canonical, v.bits)
	}
	return appendQuoted(nil, canonical), nil
}

func (c *codec) quoteIf(number string) []byte {
	if c.form.text {
		return []byte(`"` + number + `"`)
	}
	return []byte(number)
}

func (c *codec) writeTime(canonical string, v int64) ([]byte, error) {
	switch {
	case c.form.perUnit > 0:
		return c.appendEpoch(nil, v), nil
	case c.form.pattern != nil:
		return c.writePattern(canonical, v)
	case c.t.Kind == Timestamp:
		return appendInstant(nil, v), nil
	}
	return []byte(`"` + canonical + `"`), nil
}

// appendEpoch writes a count of units, with a fraction where there is one.
func (c *codec) appendEpoch(dst []byte, us int64) []byte {
	unit := c.form.perUnit
	if us < 0 {
		dst, us = append(dst, '-'), -us
	}
	dst = strconv.AppendInt(dst, us/unit, 10)
	return appendFraction(dst, us%unit*(secondUS/unit))
}

// appendInstant writes RFC 3339 in UTC, in quotes.
func appendInstant(dst []byte, us int64) []byte {
	days := us / dayUS
	if us%dayUS < 0 {
		days--
	}
	dst = appendDate(append(dst, '"'), int32(days))
	dst = appendTime(append(dst, 'T'), us-days*dayUS)
	return append(dst, 'Z', '"')
}

// writePattern writes by the pattern and reads it back: a pattern without
// seconds, with a year of two digits, or in a zone whose clocks show the time
// twice would otherwise write another value than it was given.
func (c *codec) writePattern(canonical string, v int64) ([]byte, error) {
	var at time.Time
	switch c.t.Kind {
	case Date:
		at = time.Unix(v*86_400, 0).UTC()
	case Time:
		at = time.UnixMicro(v).UTC()
	default:
		at = time.UnixMicro(v).UTC()
		if c.form.zone != nil {
			at = at.In(c.form.zone)
		}
	}
	text := c.form.pattern.appendTo(nil, at)
	back, err := c.readText(text)
	if err != nil || back.bits != v {
		return nil, fmt.Errorf("%s %s does not fit the field's format, which would make it %s", c.t, canonical, text)
	}
	return appendQuoted(nil, text), nil
}
