package config

import "reflect"

// What the types that decode themselves take, for the JSON Schema.

func (m *Map[V]) shape(s schemaMaker) map[string]any {
	return map[string]any{"type": "object", "additionalProperties": s.of(reflect.TypeFor[V](), tags{})}
}

func (*Name) shape(schemaMaker) map[string]any     { return textShape() }
func (*Names) shape(schemaMaker) map[string]any    { return oneOrMany() }
func (*Expr) shape(schemaMaker) map[string]any     { return textShape() }
func (*Template) shape(schemaMaker) map[string]any { return textShape() }
func (*Size) shape(schemaMaker) map[string]any {
	return map[string]any{"type": []string{"integer", "string"}}
}

func (*engineChoice) shape(schemaMaker) map[string]any { return map[string]any{"const": "local"} }
func (*joinChoice) shape(schemaMaker) map[string]any   { return map[string]any{"const": "adopt"} }
func (*absentMode) shape(schemaMaker) map[string]any {
	return map[string]any{"enum": []any{nil, "null", "unchanged"}}
}
func (*toggle) shape(m schemaMaker) map[string]any {
	return m.of(reflect.TypeFor[bool](), tags{})
}

func (*limitsPart) shape(m schemaMaker) map[string]any {
	return m.object(reflect.TypeFor[limitsPart](), nil)
}
func (*guardsPart) shape(m schemaMaker) map[string]any {
	return m.object(reflect.TypeFor[guardsPart](), nil)
}
func (*checkpointPart) shape(m schemaMaker) map[string]any {
	return m.object(reflect.TypeFor[checkpointPart](), nil)
}

func (*rulePart) shape(m schemaMaker) map[string]any {
	out := m.object(reflect.TypeFor[longRule](), nil)
	out["minProperties"], out["maxProperties"] = 1, 1
	return map[string]any{"anyOf": []any{map[string]any{"enum": []string{RuleLatest, RuleHold}}, out}}
}

func (*groupPart) shape(schemaMaker) map[string]any { return oneOrMany() }
func (*latestPart) shape(m schemaMaker) map[string]any {
	return m.object(reflect.TypeFor[latestPart](), nil)
}

func (*fieldPart) shape(m schemaMaker) map[string]any {
	return map[string]any{"anyOf": []any{typeShape(), m.object(reflect.TypeFor[longField](), nil)}}
}

func (*streamFieldPart) shape(m schemaMaker) map[string]any {
	return map[string]any{"anyOf": []any{typeShape(), m.object(reflect.TypeFor[longStreamField](), nil)}}
}

func (*systemPart) shape(m schemaMaker) map[string]any {
	connectors := map[string]any{}
	for _, name := range m.known.names() {
		connectors[name] = map[string]any{"type": "object"}
		if prototype := m.known[name].System; prototype != nil {
			connectors[name] = m.object(reflect.TypeOf(prototype), nil)
		}
	}
	out := m.object(reflect.TypeFor[systemPart](), connectors)
	out["minProperties"] = 1
	return out
}

func (*extractPart) shape(m schemaMaker) map[string]any {
	return m.object(reflect.TypeFor[extractPart](), m.union(func(k ConnectorKeys) any { return k.Extract }))
}

func (*writePart) shape(m schemaMaker) map[string]any {
	return m.object(reflect.TypeFor[writePart](), m.union(func(k ConnectorKeys) any { return k.Write }))
}
