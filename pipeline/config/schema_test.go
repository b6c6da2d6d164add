package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func schemaOf(t *testing.T, known Known) map[string]any {
	t.Helper()
	raw, err := JSONSchema(known)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// at follows properties and additionalProperties down a schema.
func at(t *testing.T, s map[string]any, path string) map[string]any {
	t.Helper()
	for _, key := range strings.Split(path, ".") {
		next, ok := s["additionalProperties"].(map[string]any)
		if key != "*" {
			properties, _ := s["properties"].(map[string]any)
			next, ok = properties[key].(map[string]any)
		}
		if !ok {
			t.Fatalf("%s: no %s", path, key)
		}
		s = next
		if forms, ok := s["anyOf"].([]any); ok { // the last is the mapping
			s, _ = forms[len(forms)-1].(map[string]any)
		}
	}
	return s
}

func TestSchemaIsStrictWhereTheFileIs(t *testing.T) {
	s := schemaOf(t, testKnown())
	for _, path := range []string{"systems.*", "systems.*.rest", "systems.*.limits", "entities.*", "entities.*.streams.*.extract",
		"entities.*.streams.*.write", "entities.*.resolve.default", "entities.*.guards.max_deletes"} {
		if at(t, s, path)["additionalProperties"] != false {
			t.Errorf("%s takes any key", path)
		}
	}
	if s["additionalProperties"] != false {
		t.Error("the top takes any key")
	}
}

func TestSchemaHasTheConnectorsKeysBesideTheCommonOnes(t *testing.T) {
	s := schemaOf(t, testKnown())
	for _, key := range []string{"primary_key", "incremental", "table", "request"} {
		at(t, s, "entities.*.streams.*.extract."+key)
	}
	if at(t, s, "systems.*.postgres.dsn")["description"] == "" {
		t.Error("no description from the connector's tags")
	}
	if _, strict := at(t, schemaOf(t, nil), "entities.*.streams.*.extract")["additionalProperties"]; strict {
		t.Error("without connectors their keys must pass")
	}
}

func TestSchemaLeavesOutWhatIsNotBuilt(t *testing.T) {
	raw, err := JSONSchema(testKnown())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"union", "concat", "notify", "temporal", "feed"} {
		if strings.Contains(string(raw), `"`+key+`"`) {
			t.Errorf("%s would be offered by editors", key)
		}
	}
}

// Every key of the example appears in the schema: the two come from one source.
func TestSchemaKnowsEveryKeyOfTheExample(t *testing.T) {
	s := schemaOf(t, testKnown())
	var walk func(n Node, s map[string]any)
	walk = func(n Node, s map[string]any) {
		for _, e := range n.Entries() {
			next := choose(s, e.Key)
			if next == nil {
				if _, known := s["properties"]; known {
					t.Errorf("%s:%d: %s is not in the schema", e.At.File, e.At.Line, e.Key)
				}
				continue
			}
			walk(e.Value, next)
		}
	}
	x := &expander{env: environment, readFile: nil}
	raw := readFile(t, rentals)
	tree, problems := parse(rentals, raw)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	x.tree(tree)
	walk(Node{n: tree}, s)
}

func choose(s map[string]any, key string) map[string]any {
	if alternatives, ok := s["anyOf"].([]any); ok {
		for _, a := range alternatives {
			if next := choose(a.(map[string]any), key); next != nil {
				return next
			}
		}
		return nil
	}
	if properties, ok := s["properties"].(map[string]any); ok {
		if next, ok := properties[key].(map[string]any); ok {
			return next
		}
	}
	next, _ := s["additionalProperties"].(map[string]any)
	return next
}
