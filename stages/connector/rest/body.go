package rest

import (
	"fmt"
	"net/http"
	"sort"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
)

// object is a JSON object that is put together by paths. Its members are
// *object or jsontext.Value. It renders with sorted names, so that the same
// values always give the same bytes.
type object map[string]any

// put sets the value at a path, making objects on the way. A value in the way is
// an error, unless it is null.
func (o object) put(path []string, v jsontext.Value) error {
	if len(path) == 1 {
		o[path[0]] = v
		return nil
	}
	var child object
	switch c := o[path[0]].(type) {
	case nil:
		child = object{}
	case object:
		child = c
	case jsontext.Value:
		if c.Kind() != 'n' {
			return fmt.Errorf("%s holds a value and cannot hold members", path[0])
		}
		child = object{}
	}
	o[path[0]] = child
	return child.put(path[1:], v)
}

// merge lays the members of a raw object in, objects member by member.
func (o object) merge(raw jsontext.Value) error {
	names, members, err := entries(raw)
	if err != nil {
		return err
	}
	for i, name := range names {
		if members[i].Kind() != '{' {
			o[name] = members[i]
			continue
		}
		child, ok := o[name].(object)
		if !ok {
			child = object{}
			o[name] = child
		}
		if err := child.merge(members[i]); err != nil {
			return err
		}
	}
	return nil
}

// entries are the members of a raw object.
func entries(raw jsontext.Value) (names []string, members []jsontext.Value, err error) {
	d := jsontext.NewDecoder(strings.NewReader(string(raw)), lenient()...)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, nil, fmt.Errorf("no object but %s", kindName(raw))
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, nil, err
		}
		name := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return nil, nil, err
		}
		names, members = append(names, name), append(members, v.Clone())
	}
	return names, members, nil
}

func (o object) String() string {
	var b strings.Builder
	o.write(&b)
	return b.String()
}

func (o object) write(b *strings.Builder) {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	sort.Strings(names)
	_ = between(b, '{', '}', len(names), func(i int) error {
		b.WriteString(quoteJSON(names[i]) + ":")
		switch v := o[names[i]].(type) {
		case object:
			v.write(b)
		case jsontext.Value:
			b.Write(v)
		}
		return nil
	})
}

// fieldsOf is the object of what a write sends: the changed fields, and for a
// PUT of an existing record everything else that is known of it.
func (s *Stream) fieldsOf(w pipeline.Write, o *operation) (string, error) {
	if w.Op == pipeline.OpDelete {
		return "", nil
	}
	out := object{}
	if o.method == http.MethodPut && w.Op == pipeline.OpUpdate {
		if w.Base == nil || w.Base.Rows == nil || w.Base.Rows.NumRows() != 1 {
			return "", fmt.Errorf("%w: a PUT replaces the whole record", pipeline.ErrNeedsRead)
		}
		if err := s.layBase(out, w.Base); err != nil {
			return "", err
		}
	}
	for name, v := range w.After {
		f, err := s.field(name)
		if err != nil {
			return "", err
		}
		if err := putField(out, f, v); err != nil {
			return "", err
		}
	}
	return out.String(), nil
}

// layBase writes a raw record as the system would: what nobody declared, then
// the declared fields that are known. Unset ones are left out.
func (s *Stream) layBase(out object, base *pipeline.Batch) error {
	if extra := cell(base.Rows, pipeline.ColExtra); extra != "" {
		if err := out.merge(jsontext.Value(extra)); err != nil {
			return fmt.Errorf("undeclared members: %w", err)
		}
	}
	for _, f := range s.fields {
		if v, known := columnValue(base, f); known {
			if err := putField(out, f, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func putField(out object, f schemas.Field, v *string) error {
	wire, err := schemas.EncodeJSON(f, v)
	if err != nil {
		return err
	}
	if err := out.put(splitPath(pathOf(f)), wire); err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	return nil
}

// field finds a stream's field by its name, or by its path.
func (s *Stream) field(name string) (schemas.Field, error) {
	for _, f := range s.fields {
		if f.Name == name {
			return f, nil
		}
	}
	for _, f := range s.fields {
		if f.Path == name {
			return f, nil
		}
	}
	return schemas.Field{}, fmt.Errorf("field %q is not declared under extract.fields, so its type is not known", name)
}

// cell is a text column of a one-row batch; "" for null.
func cell(rows arrow.RecordBatch, name string) string {
	if c, ok := column(rows, name).(*array.String); ok && c.Len() > 0 && c.IsValid(0) {
		return c.Value(0)
	}
	return ""
}

func idOf(rows arrow.RecordBatch, row int) string {
	if c, ok := column(rows, pipeline.ColID).(*array.String); ok && row < c.Len() {
		return c.Value(row)
	}
	return ""
}
