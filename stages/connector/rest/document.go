package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient accepts what real APIs send: names given twice and broken UTF-8. The
// records themselves are judged by their decoder.
func lenient() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
}

// errNotJSON says nothing of the body: it may show a credential, which only a
// client can mask.
var errNotJSON = errors.New("the answer is not JSON")

// checkJSON reports a body that is not one whole JSON value: truncated, empty,
// or something else altogether.
func checkJSON(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("the answer is empty")
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(body), lenient()...)
	if err := d.SkipValue(); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the answer is truncated")
		}
		return errNotJSON
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("the answer goes on after its end")
	}
	return nil
}

func head(b []byte, n int) string {
	b = bytes.TrimSpace(b)
	return strings.ToValidUTF8(string(b[:min(n, len(b))]), "?")
}

// kindName describes a value without showing it: what a system answers may hold
// our own credentials.
func kindName(v jsontext.Value) string {
	switch v.Kind() {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "no JSON"
}

// splitPath splits a dotted path; a dot within a name is written \. as in fields.
func splitPath(path string) []string {
	if path == "" {
		return nil
	}
	var out []string
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && i+1 < len(path):
			i++
			b.WriteByte(path[i])
		case c == '.':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(out, b.String())
}

// find is the raw value at a path of a JSON document; "" is the document. A path
// that leads nowhere is not found; null is found.
func find(doc []byte, path string) (jsontext.Value, bool) {
	v := jsontext.Value(doc)
	for _, name := range splitPath(path) {
		var ok bool
		if v, ok = member(v, name); !ok {
			return nil, false
		}
	}
	return v, true
}

// member is the raw value of a member of an object.
func member(doc jsontext.Value, name string) (jsontext.Value, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(doc), lenient()...)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, false
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		if t.String() != name {
			if err := d.SkipValue(); err != nil {
				return nil, false
			}
			continue
		}
		v, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		return v.Clone(), true
	}
	return nil, false
}

// items are the elements of the array at a path. No array there is an error:
// an answer without its list is not an empty list.
func items(doc []byte, path string) ([]jsontext.Value, error) {
	where := path
	if where == "" {
		where = "the top"
	}
	v, ok := find(doc, path)
	if !ok {
		return nil, fmt.Errorf("the answer has nothing at %s", where)
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), lenient()...)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, fmt.Errorf("the answer has no array at %s but %s", where, kindName(v))
	}
	var out []jsontext.Value
	for d.PeekKind() != ']' {
		item, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("the array at %s: %w", where, err)
		}
		if item.Kind() != '{' {
			return nil, fmt.Errorf("the array at %s has an element that is %s and no object", where, kindName(item))
		}
		out = append(out, item.Clone())
	}
	return out, nil
}

// scalar is the text of a string, number or bool at a path, and "" for null and
// for what is not there.
func scalar(doc []byte, path string) string {
	v, ok := find(doc, path)
	if !ok {
		return ""
	}
	return scalarText(v)
}

func scalarText(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		b, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return ""
		}
		return string(b)
	case '0', 't', 'f':
		return string(bytes.TrimSpace(v))
	}
	return ""
}

// integer is the whole number at a path.
func integer(doc []byte, path string) (int64, error) {
	t := scalar(doc, path)
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the answer has no number at %s", path)
	}
	return n, nil
}

// boolean is the flag at a path.
func boolean(doc []byte, path string) (bool, error) {
	switch scalar(doc, path) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("the answer has no flag at %s", path)
}
