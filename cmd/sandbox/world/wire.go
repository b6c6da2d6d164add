package world

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// object renders a version of a record as its system shows it.
func (s *shelf) object(r row) map[string]any {
	v := r.version
	out := map[string]any{}
	for _, m := range s.col.members {
		switch value := v.Values[m.field]; {
		case value != nil:
			place(out, m.path, m.form.out(*value))
		case s.sys.nulls:
			place(out, m.path, nil)
		}
	}
	for name, value := range s.col.extra {
		out[name] = value
	}
	out["id"] = s.col.id(r.number)
	out[s.sys.updated] = s.sys.stamp(v.UpdatedAt)
	if s.sys.created != "" {
		out[s.sys.created] = s.sys.stamp(r.Versions[0].UpdatedAt)
	}
	if s.sys.version != "" {
		out[s.sys.version] = v.Number
	}
	if v.State == Deleted {
		out[s.sys.removed] = s.sys.stamp(v.UpdatedAt)
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

// read lays a body over a record: members that the body does not have stay.
func (s *shelf) read(body []byte, v Values) (Values, error) {
	flat := map[string]json.RawMessage{}
	if err := flatten(body, "", flat); err != nil {
		return v, err
	}
	for _, name := range s.col.ignored {
		delete(flat, name)
	}
	set := Values{}
	for _, m := range s.col.members {
		raw, ok := flat[m.path]
		if !ok {
			continue
		}
		delete(flat, m.path)
		if string(raw) == "null" {
			set[m.field] = nil
			continue
		}
		text, err := m.form.in(raw)
		if err != nil {
			return v, fmt.Errorf("%s: %w", m.path, err)
		}
		set[m.field] = &text
	}
	for name := range flat {
		return v, fmt.Errorf("%s: no such field", name)
	}
	return s.ent.with(v, set)
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
