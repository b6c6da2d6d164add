package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/trueup-data/trueup/schemas"
)

// FromNode is a type that decodes itself. It may return Problems, or an error
// that is then placed at the node.
type FromNode interface{ FromNode(Node) error }

// Decode fills into, a pointer, from the node. It understands structs (by tags,
// see below), slices, pointers (nil: the key is not there), Map, Name, Names,
// Node, Expr, Template, Size, schemas.Type, time.Duration ("10m", "90d"),
// string, bool, int, int64, float64, and types with FromNode. A field whose key
// is not in the file keeps its value, so what is there before is the default.
//
//	`yaml:"name"`             the key; fields without this tag are not decoded
//	`yaml:"name,required"`    it must be there
//	`yaml:",rest"`            a Node field: takes the keys that no other field names
//	`enum:"a|b"`              the texts that are allowed
//	`unbuilt:"why"`           the key is known and refused by name
//	`help:"..."`              what it means, for editors
//
// A struct's keys are strict: an unknown one is a problem with the nearest valid
// key. All problems are found; the error is Problems.
func (n Node) Decode(into any) error {
	d := decoder{}
	if n.n == nil {
		return nil
	}
	d.value(n, reflect.ValueOf(into).Elem(), tags{})
	return d.problems.Err()
}

type decoder struct{ problems Problems }

// tags are the parsed tags of a struct field.
type tags struct {
	name     string
	required bool
	rest     bool
	enum     []string
	unbuilt  string
	help     string
}

func parseTags(f reflect.StructField) (tags, bool) {
	text, ok := f.Tag.Lookup("yaml")
	if !ok {
		return tags{}, false
	}
	t := tags{unbuilt: f.Tag.Get("unbuilt"), help: f.Tag.Get("help")}
	name, options, _ := strings.Cut(text, ",")
	t.name, t.required, t.rest = name, options == "required", options == "rest"
	if e := f.Tag.Get("enum"); e != "" {
		t.enum = strings.Split(e, "|")
	}
	return t, true
}

var (
	nodeType     = reflect.TypeFor[Node]()
	durationType = reflect.TypeFor[time.Duration]()
	schemaType   = reflect.TypeFor[schemas.Type]()
)

func (d *decoder) value(n Node, v reflect.Value, t tags) {
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(n))
		return
	}
	if self, ok := v.Addr().Interface().(FromNode); ok {
		d.problems.take(n.At(), self.FromNode(n))
		return
	}
	if n.Kind() == KindNull {
		d.problems.add(n.At(), fmt.Sprintf("%q has no value", n.Path()), "", "give it one, or remove the key")
		return
	}
	switch {
	case v.Type() == schemaType:
		d.fieldType(n, v)
	case v.Type() == durationType:
		d.scalar(n, v, t, "a duration such as 30s, 10m or 90d", parseDuration)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), t)
	case v.Kind() == reflect.Struct:
		d.structure(n, v)
	case v.Kind() == reflect.Slice:
		d.list(n, v, t)
	default:
		d.basic(n, v, t)
	}
}

func (d *decoder) list(n Node, v reflect.Value, t tags) {
	if n.Kind() != KindList {
		e := wrongShape(n.n, "a list")
		if n.Kind() == KindScalar {
			e.Help = fmt.Sprintf("write [%s]", n.n.public)
		}
		d.problems = append(d.problems, e)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.n.items), len(n.n.items)))
	for i, item := range n.Items() {
		d.value(item, v.Index(i), t)
	}
}

func (d *decoder) structure(n Node, v reflect.Value) {
	if n.Kind() != KindMap {
		d.problems = append(d.problems, wrongShape(n.n, "a mapping"))
		return
	}
	fields := fieldsOf(v.Type())
	var rest reflect.Value
	taken := map[string]bool{}
	valid := append([]string{}, n.also...)
	for _, f := range fields {
		field := v.FieldByIndex(f.index)
		if f.rest {
			rest = field
			continue
		}
		taken[f.name] = true
		if f.unbuilt == "" {
			valid = append(valid, f.name)
		}
		d.field(n, field, f.tags)
	}
	d.others(n, rest, taken, valid)
}

func (d *decoder) field(n Node, v reflect.Value, t tags) {
	p := n.n.pairAt(t.name)
	switch {
	case p == nil && t.required:
		d.problems.add(n.At(), fmt.Sprintf("%q is missing", join(n.Path(), t.name)), t.help, "add "+t.name)
	case p == nil:
	case t.unbuilt != "":
		d.problems.add(p.at, fmt.Sprintf("%q is not built yet", join(n.Path(), t.name)), t.unbuilt, "remove "+t.name)
	default:
		d.value(Node{n: p.value}, v, t)
	}
}

// others gives the keys that no field names to the rest field, or refuses them.
func (d *decoder) others(n Node, rest reflect.Value, taken map[string]bool, valid []string) {
	if rest.IsValid() {
		kept := *n.n
		kept.pairs = nil
		for _, p := range n.n.pairs {
			if !taken[p.name] {
				kept.pairs = append(kept.pairs, p)
			}
		}
		rest.Set(reflect.ValueOf(Node{n: &kept, also: valid}))
		return
	}
	for _, p := range n.n.pairs {
		if !taken[p.name] {
			d.problems.add(p.at, fmt.Sprintf("unknown key %q", join(n.Path(), p.name)), "", suggest(p.name, valid))
		}
	}
}

// structField is a field of a struct, embedded ones included.
type structField struct {
	tags
	index []int
	typ   reflect.Type
}

// fieldsOf lists the tagged fields of a struct in order; embedded structs count
// as if their fields stood in their place.
func fieldsOf(t reflect.Type) []structField {
	var out []structField
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
			continue
		}
		if parsed, ok := parseTags(f); ok {
			out = append(out, structField{tags: parsed, index: []int{i}, typ: f.Type})
		}
	}
	return out
}

func wrongShape(n *node, want string) *problem {
	got := map[Kind]string{KindNull: "nothing", KindScalar: fmt.Sprintf("%q", n.public), KindList: "a list", KindMap: "a mapping"}[n.kind]
	return Problem(n.at, fmt.Sprintf("%q must be %s", n.path, want), "found "+got, "")
}
