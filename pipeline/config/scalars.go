package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/schemas"
)

type problem = fault.Error

// Size is a number of bytes: 67108864, "64MiB", "64MB".
type Size int64

// FromNode takes a number with an optional unit.
func (s *Size) FromNode(n Node) error {
	if n.Kind() != KindScalar {
		return Problems{wrongShape(n.n, "a size such as 64MiB")}
	}
	number, factor := n.n.text, int64(1)
	for _, unit := range []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}} {
		if cut, ok := strings.CutSuffix(number, unit.suffix); ok {
			number, factor = strings.TrimSpace(cut), unit.factor
			break
		}
	}
	v, err := strconv.ParseInt(number, 10, 64)
	if err != nil || v < 0 || v > (1<<62)/factor {
		return Problems{wrongShape(n.n, "a size such as 64MiB")}
	}
	*s = Size(v * factor)
	return nil
}

// FromNode takes any scalar as SQL.
func (e *Expr) FromNode(n Node) error {
	if n.Kind() != KindScalar || strings.TrimSpace(n.n.text) == "" {
		return Problems{wrongShape(n.n, "an SQL expression")}
	}
	*e = Expr{SQL: n.n.text, At: n.n.at, lines: n.n.lines}
	return nil
}

// Place is where the byte at offset of the SQL stands in the file. In folded and
// escaped texts, and behind an expanded ${...}, it is near, not exact.
func (e Expr) Place(offset int) Position {
	offset = min(max(offset, 0), len(e.SQL))
	before := e.SQL[:offset]
	line := strings.Count(before, "\n")
	at := e.At
	if line < len(e.lines) {
		at = e.lines[line]
		before = before[strings.LastIndexByte(before, '\n')+1:]
	}
	at.Column += len([]rune(before))
	return at
}

// FromNode takes any scalar as text with {{ places }}.
func (t *Template) FromNode(n Node) error {
	if n.Kind() != KindScalar {
		return Problems{wrongShape(n.n, "text")}
	}
	*t = Template{Text: n.n.text, At: n.n.at}
	return nil
}

// scalar sets v by parse, whose error is the problem's reason if it is not nil.
func (d *decoder) scalar(n Node, v reflect.Value, t tags, want string, parse func(string, reflect.Value) error) {
	if n.Kind() != KindScalar {
		d.problems = append(d.problems, wrongShape(n.n, want))
		return
	}
	if len(t.enum) > 0 && !slices.Contains(t.enum, n.n.text) {
		d.problems.add(n.At(), fmt.Sprintf("%q cannot be %q", n.Path(), n.n.public), "it is one of "+strings.Join(t.enum, ", "), suggest(n.n.text, t.enum))
		return
	}
	if err := parse(n.n.text, v); err != nil {
		d.problems = append(d.problems, wrongShape(n.n, want))
	}
}

func (d *decoder) basic(n Node, v reflect.Value, t tags) {
	switch v.Kind() {
	case reflect.String:
		d.scalar(n, v, t, "text", func(text string, v reflect.Value) error { v.SetString(text); return nil })
	case reflect.Bool:
		d.scalar(n, v, t, "true or false", setBool)
	case reflect.Int, reflect.Int64:
		d.scalar(n, v, t, "a whole number", setInt)
	case reflect.Float64:
		d.scalar(n, v, t, "a number", setFloat)
	default:
		d.problems.add(n.At(), fmt.Sprintf("%q cannot be decoded into %s", n.Path(), v.Type()), "this is a fault of the program", "report it")
	}
}

var errShape = errors.New("wrong shape")

func setBool(text string, v reflect.Value) error {
	b, ok := parseBool(text)
	if !ok {
		return errShape
	}
	v.SetBool(b)
	return nil
}

func setInt(text string, v reflect.Value) error {
	i, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return err
	}
	v.SetInt(i)
	return nil
}

func setFloat(text string, v reflect.Value) error {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != f || f > 1e300 || f < -1e300 {
		return errShape
	}
	v.SetFloat(f)
	return nil
}

// parseDuration takes Go's durations and whole days ("90d").
func parseDuration(text string, v reflect.Value) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 16)
		if err == nil {
			v.SetInt(n * int64(day))
		}
		return err
	}
	parsed, err := time.ParseDuration(text)
	if err == nil {
		v.SetInt(int64(parsed))
	}
	return err
}

// fieldType takes "decimal(12,2)", or {type: string, enum: [a, b]}.
func (d *decoder) fieldType(n Node, v reflect.Value) {
	if n.Kind() == KindMap {
		long := struct {
			Type Name     `yaml:"type,required"`
			Enum []string `yaml:"enum"`
		}{}
		if err := n.Decode(&long); err != nil {
			d.problems.take(n.At(), err)
			return
		}
		parsed, err := typeOf(long.Type, long.Enum)
		d.problems.take(long.Type.At, err)
		v.Set(reflect.ValueOf(parsed))
		return
	}
	var name Name
	if err := name.FromNode(n); err != nil {
		d.problems = append(d.problems, wrongShape(n.n, "a type such as string, int64, decimal(12,2) or timestamp"))
		return
	}
	parsed, err := typeOf(name, nil)
	d.problems.take(name.At, err)
	v.Set(reflect.ValueOf(parsed))
}

// typeOf parses a type; with values a string becomes an enum of them.
func typeOf(name Name, values []string) (schemas.Type, error) {
	t, err := schemas.ParseType(name.Text)
	if err != nil {
		return t, Problems{Problem(name.At, fmt.Sprintf("%q is not a type", name.Text), err.Error(), suggestType(name.Text))}
	}
	if len(values) == 0 {
		return t, nil
	}
	if t.Kind != schemas.String {
		return t, Problems{Problem(name.At, "enum needs the type string", "found "+t.String(), "write {type: string, enum: [...]}")}
	}
	t = schemas.Type{Kind: schemas.Enum, Values: values}
	return t, t.Check()
}

func suggestType(text string) string {
	base, _, _ := strings.Cut(text, "(")
	return suggest(base, []string{"string", "bool", "int64", "double", "decimal(p,s)", "date", "time", "timestamp", "json", "enum(a,b)", "list(string)"})
}
