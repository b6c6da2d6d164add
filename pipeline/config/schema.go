package config

import (
	"encoding/json"
	"reflect"
	"slices"
)

// JSONSchema is the JSON Schema of a project file with these connectors, for
// editors: made of the same types and tags that decode the file. Keys that are
// not built yet are not in it.
func JSONSchema(known Known) ([]byte, error) {
	m := schemaMaker{known: known}
	root := m.object(reflect.TypeFor[projectFile](), nil)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Trueup project file"
	root["properties"].(map[string]any)["version"] = map[string]any{"const": 1, "description": "the version of this format"}
	raw, err := json.MarshalIndent(root, "", "  ")
	return append(raw, '\n'), err
}

type schemaMaker struct{ known Known }

// shaper is a type that decodes itself and says what it takes.
type shaper interface {
	shape(m schemaMaker) map[string]any
}

// Shaper is what a connector's self-decoding type implements to appear in the
// schema with more than "anything".
type Shaper interface{ JSONSchema() map[string]any }

func (m schemaMaker) of(t reflect.Type, tags tags) map[string]any {
	if t.Kind() == reflect.Pointer {
		return m.of(t.Elem(), tags)
	}
	switch s := reflect.New(t).Interface().(type) {
	case shaper:
		return s.shape(m)
	case Shaper:
		return s.JSONSchema()
	case FromNode:
		return m.selfDecoded(t)
	}
	switch t {
	case nodeType:
		return map[string]any{}
	case durationType:
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$|^[0-9]+d$|^0$|\$\{`}
	case schemaType:
		return typeShape()
	}
	return m.kind(t, tags)
}

// selfDecoded is what a connector's type takes that decodes itself and does not
// say how: the keys of its struct, or a short form of one scalar.
func (m schemaMaker) selfDecoded(t reflect.Type) map[string]any {
	if t.Kind() != reflect.Struct || len(fieldsOf(t)) == 0 {
		return map[string]any{}
	}
	return map[string]any{"anyOf": []any{m.object(t, nil), textShape()}}
}

func (m schemaMaker) kind(t reflect.Type, tags tags) map[string]any {
	switch t.Kind() {
	case reflect.Struct:
		return m.object(t, nil)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": m.of(t.Elem(), tags)}
	case reflect.Bool:
		return orReference(map[string]any{"type": "boolean"})
	case reflect.Int, reflect.Int64:
		return orReference(map[string]any{"type": "integer"})
	case reflect.Float64:
		return orReference(map[string]any{"type": "number"})
	default:
		if len(tags.enum) > 0 {
			return map[string]any{"enum": tags.enum}
		}
		return textShape()
	}
}

// object is a struct with strict keys; more are the keys that a rest field takes.
func (m schemaMaker) object(t reflect.Type, more map[string]any) map[string]any {
	properties := map[string]any{}
	var required []string
	open := more[unknownKeys] != nil
	for _, f := range fieldsOf(t) {
		if f.rest {
			open = open || more == nil
			continue
		}
		if f.unbuilt != "" {
			continue
		}
		s := m.of(f.typ, f.tags)
		if f.help != "" {
			s["description"] = f.help
		}
		properties[f.name] = s
		if f.required {
			required = append(required, f.name)
		}
	}
	for name, s := range more {
		if name != unknownKeys {
			properties[name] = s
		}
	}
	out := map[string]any{"type": "object", "properties": properties}
	if !open {
		out["additionalProperties"] = false
	}
	if len(required) > 0 {
		slices.Sort(required)
		out["required"] = required
	}
	return out
}

// unknownKeys marks keys of which one connector does not say what they are.
const unknownKeys = "*"

// union is the keys of every connector at one level.
func (m schemaMaker) union(pick func(ConnectorKeys) any) map[string]any {
	out := map[string]any{}
	for _, name := range m.known.names() {
		prototype := pick(m.known[name])
		if prototype == nil {
			out[unknownKeys] = true
			continue
		}
		properties, _ := m.object(reflect.TypeOf(prototype), nil)["properties"].(map[string]any)
		for key, s := range properties {
			if have, ok := out[key]; ok && !reflect.DeepEqual(have, s) {
				s = map[string]any{"anyOf": []any{have, s}}
			}
			out[key] = s
		}
	}
	return out
}

func textShape() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// orReference also takes a ${...} that stands for the value.
func orReference(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, map[string]any{"type": "string", "pattern": `\$\{`}}}
}

func oneOrMany() map[string]any {
	return map[string]any{"anyOf": []any{textShape(), map[string]any{"type": "array", "items": textShape()}}}
}

func typeShape() map[string]any {
	return map[string]any{"type": "string", "pattern": `^(string|bool|int64|double|date|time|timestamp|json|decimal\(|enum\(|list\()|\$\{`}
}
