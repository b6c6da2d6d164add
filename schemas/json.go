package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// CanonicalJSON gives the one text of a JSON value: members sorted by the bytes
// of their names, no spaces, as few escapes as possible, and numbers exactly, in
// the layout of ECMAScript (12.5, 1e21, 1e-7) without rounding to a double. It
// refuses what is not one JSON value, a name that is there twice, and text that
// is not UTF-8.
func CanonicalJSON(raw []byte) (string, error) {
	value, err := readValue(raw)
	if err != nil {
		return "", err
	}
	var w jsonWriter
	out, err := w.appendValue(make([]byte, 0, len(value)), value)
	return string(out), err
}

// readValue reads raw as exactly one valid JSON value.
func readValue(raw []byte) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	value, err := dec.ReadValue()
	if err != nil {
		return nil, jsonError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not JSON: something follows the value")
	}
	return value, nil
}

// jsonError says in our words what a decoder says of text that is not JSON.
func jsonError(err error) error {
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("not JSON: it ends too early")
	case errors.Is(err, jsontext.ErrDuplicateName):
		if errors.As(err, &syntactic) {
			return fmt.Errorf("the name %q is there twice", syntactic.JSONPointer.LastToken())
		}
		return fmt.Errorf("a name is there twice")
	case errors.As(err, &syntactic):
		return fmt.Errorf("not JSON at byte %d: %w", syntactic.ByteOffset, syntactic.Err)
	}
	return fmt.Errorf("not JSON: %w", err)
}

// jsonWriter makes JSON canonical. What it is given must be valid. It keeps its
// scratch space between calls and is not safe for concurrent use.
type jsonWriter struct {
	members []jsonMember // of all objects being written, innermost last
	names   []byte       // texts that had escapes
}

// jsonMember is a member of an object: its name without escapes, and its value.
type jsonMember struct {
	name      []byte
	value     []byte
	canonical bool // the value is so already
}

// appendValue writes the value that raw begins with.
func (w *jsonWriter) appendValue(dst, raw []byte) ([]byte, error) {
	raw = skipSpace(raw)
	switch raw[0] {
	case '{':
		return w.appendObject(dst, raw)
	case '[':
		return w.appendArray(dst, raw)
	case '"':
		return w.appendString(dst, raw[:valueEnd(raw)])
	case 't', 'f', 'n':
		return append(dst, raw[:valueEnd(raw)]...), nil
	}
	return appendNumber(dst, raw[:valueEnd(raw)])
}

func (w *jsonWriter) appendObject(dst, raw []byte) ([]byte, error) {
	base, start := len(w.members), len(w.names)
	for rest := skipSpace(raw[1:]); rest[0] != '}'; {
		end := valueEnd(rest)
		name, err := unquote(&w.names, rest[:end])
		if err != nil {
			return dst, err
		}
		rest = skipSpace(skipSpace(rest[end:])[1:]) // the colon
		end = valueEnd(rest)
		w.members = append(w.members, jsonMember{name: name, value: rest[:end]})
		if rest = skipSpace(rest[end:]); rest[0] == ',' {
			rest = skipSpace(rest[1:])
		}
	}
	dst, err := w.appendMembers(dst, base)
	w.members, w.names = w.members[:base], w.names[:start]
	return dst, err
}

// appendMembers writes the members from base on as an object, sorted.
func (w *jsonWriter) appendMembers(dst []byte, base int) ([]byte, error) {
	if len(w.members)-base > 1 {
		slices.SortFunc(w.members[base:], func(a, b jsonMember) int { return bytes.Compare(a.name, b.name) })
	}
	end := len(w.members)
	dst = append(dst, '{')
	for i := base; i < end; i++ {
		if i > base {
			dst = append(dst, ',')
		}
		m := w.members[i]
		dst = append(appendQuoted(dst, m.name), ':')
		if m.canonical {
			dst = append(dst, m.value...)
			continue
		}
		var err error
		if dst, err = w.appendValue(dst, m.value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (w *jsonWriter) appendArray(dst, raw []byte) ([]byte, error) {
	dst = append(dst, '[')
	first := true
	for rest := skipSpace(raw[1:]); rest[0] != ']'; first = false {
		if !first {
			dst = append(dst, ',')
			rest = skipSpace(rest[1:])
		}
		end := valueEnd(rest)
		var err error
		if dst, err = w.appendValue(dst, rest[:end]); err != nil {
			return dst, err
		}
		rest = skipSpace(rest[end:])
	}
	return append(dst, ']'), nil
}

// skipSpace drops the white space that raw begins with.
func skipSpace(raw []byte) []byte {
	for len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\n' || raw[0] == '\t' || raw[0] == '\r') {
		raw = raw[1:]
	}
	return raw
}

// valueEnd is the length of the value that raw, valid JSON, begins with.
func valueEnd(raw []byte) int {
	switch raw[0] {
	case '"':
		return stringEnd(raw)
	case '{', '[':
		depth := 0
		for i := 0; i < len(raw); i++ {
			switch raw[i] {
			case '"':
				i += stringEnd(raw[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i, c := range raw {
		switch c {
		case ',', '}', ']', ':', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return len(raw)
}

func stringEnd(raw []byte) int {
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// unquote gives the text of a JSON string: a part of raw where it has no escapes,
// else a part of scratch, at its end.
func unquote(scratch *[]byte, raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	start := len(*scratch)
	out, err := jsontext.AppendUnquote(*scratch, raw)
	if err != nil {
		return nil, jsonError(err)
	}
	*scratch = out
	return out[start:], nil
}

// appendString writes a JSON string with as few escapes as possible; one without
// any has that form.
func (w *jsonWriter) appendString(dst, raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, raw...), nil
	}
	start := len(w.names)
	text, err := unquote(&w.names, raw)
	if err != nil {
		return dst, err
	}
	dst = appendQuoted(dst, text)
	w.names = w.names[:start]
	return dst, nil
}

// appendNumber writes a JSON number in its canonical form, with all its digits.
func appendNumber(dst, raw []byte) ([]byte, error) {
	n, err := scanNumber(raw)
	if err != nil {
		return dst, err
	}
	if !n.wide && n.hi|n.lo == 0 {
		return append(dst, '0'), nil // -0 too
	}
	if n.plain && n.exp <= 20 && len(raw) <= 20 {
		return append(dst, raw...), nil
	}
	digits, point := significant(raw)
	if n.negative {
		dst = append(dst, '-')
	}
	return layoutNumber(dst, digits, point+exponentOf(raw)), nil
}

// significant collects the digits of a number that is not 0, without zeros at
// either end; the number is 0.digits × 10^point, before its exponent.
func significant(raw []byte) (digits []byte, point int) {
	fraction := false
	for _, c := range raw {
		switch {
		case c == 'e' || c == 'E':
			return bytes.TrimRight(digits, "0"), point
		case c == '.':
			fraction = true
		case c == '-':
		case c == '0' && len(digits) == 0:
			if fraction {
				point--
			}
		default:
			digits = append(digits, c)
			if !fraction {
				point++
			}
		}
	}
	return bytes.TrimRight(digits, "0"), point
}

// exponentOf reads the exponent of a number that scanNumber accepted.
func exponentOf(raw []byte) int {
	at := bytes.IndexAny(raw, "eE")
	if at < 0 {
		return 0
	}
	e, err := strconv.Atoi(string(raw[at+1:]))
	if err != nil {
		return 0 // scanNumber refuses exponents that do not fit
	}
	return e
}

// layoutNumber writes 0.digits × 10^point as ECMAScript's Number::toString does.
func layoutNumber(dst, digits []byte, point int) []byte {
	n := len(digits)
	switch {
	case n <= point && point <= 21:
		return append(append(dst, digits...), zeros[:point-n]...)
	case 0 < point && point <= 21:
		return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
	case -6 < point && point <= 0:
		return append(append(append(dst, "0."...), zeros[:-point]...), digits...)
	}
	dst = append(dst, digits[0])
	if n > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	return strconv.AppendInt(append(dst, 'e'), int64(point-1), 10)
}
