package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var writeDocs = flag.Bool("write-docs", false, "write docs/project-file.md anew")

// shape is the part of a JSON Schema that the reference needs.
type shape struct {
	Properties  map[string]*shape `json:"properties"`
	Additional  json.RawMessage   `json:"additionalProperties"`
	Items       *shape            `json:"items"`
	AnyOf       []*shape          `json:"anyOf"`
	Description string            `json:"description"`
	Enum        []any             `json:"enum"`
	Required    []string          `json:"required"`
}

// keys lists every key below a shape as "path: description".
func (s *shape) keys(path string, out map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		below := s.Properties[name]
		at := path + name
		text := below.Description
		if len(below.Enum) > 0 {
			text = strings.TrimSpace(text + " (" + strings.Trim(fmt.Sprint(below.Enum), "[]") + ")")
		}
		if slices.Contains(s.Required, name) {
			text = strings.TrimSpace("**needed**; " + text)
		}
		out[at] = text
		below.keys(at+".", out)
	}
	var named shape
	if json.Unmarshal(s.Additional, &named) == nil {
		named.keys(path+"NAME.", out)
	}
	for _, one := range s.AnyOf {
		one.keys(path, out)
	}
	if s.Items != nil {
		s.Items.keys(path, out)
	}
}

// reference is the table of all keys, made of the JSON Schema of the project file.
func reference(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("../../schemas/project.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root shape
	if err := json.Unmarshal(raw, &root); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	root.keys("", all)
	var b strings.Builder
	b.WriteString("| key | what it says |\n|---|---|\n")
	for _, k := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", k, strings.ReplaceAll(all[k], "|", "\\|"))
	}
	return b.String()
}

// The reference of the project file names every key that there is, and none else.
func TestReferenceOfTheProjectFileIsCurrent(t *testing.T) {
	const file, mark = "../../docs/project-file.md", "<!-- keys -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(text), mark)
	if !found {
		t.Fatalf("%s has no line %q", file, mark)
	}
	want := "\n" + reference(t)
	if *writeDocs {
		if err := os.WriteFile(file, []byte(before+mark+want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if after != want {
		t.Errorf("%s is not what the schema says; write it anew: go test ./cmd/trueup -run TestReference -write-docs", file)
	}
}
