package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/schemas"
)

func nodeOf(t testing.TB, yaml string) Node {
	t.Helper()
	tree, problems := parse("x.yaml", []byte(yaml))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return Node{n: tree}
}

type inner struct {
	Param string `yaml:"param,required"`
	Value int    `yaml:"value"`
}

type common struct {
	Shared bool `yaml:"shared"`
}

type everything struct {
	common
	Text     string            `yaml:"text"`
	Number   float64           `yaml:"number"`
	Whole    int64             `yaml:"whole"`
	Wait     time.Duration     `yaml:"wait"`
	Size     Size              `yaml:"size"`
	Type     schemas.Type      `yaml:"type"`
	Long     schemas.Type      `yaml:"long"`
	SQL      Expr              `yaml:"sql"`
	Path     Template          `yaml:"path"`
	List     []int             `yaml:"list"`
	Structs  []inner           `yaml:"structs"`
	Ordered  Map[Template]     `yaml:"ordered"`
	Optional *inner            `yaml:"optional"`
	Missing  *inner            `yaml:"missing"`
	Raw      Node              `yaml:"raw"`
	One      Names             `yaml:"one"`
	Many     Names             `yaml:"many"`
	Style    string            `yaml:"style" enum:"page|offset"`
	Kept     string            `yaml:"kept"`
	Untagged map[string]string // never decoded
}

func TestDecodeFillsWhatIsThere(t *testing.T) {
	n := nodeOf(t, `
shared: true
text: 007
number: 1.5
whole: 0x10
wait: 90d
size: 64MiB
type: decimal(12,2)
long: {type: string, enum: [a, b]}
sql: 1 + 1
path: "/x/{{ id }}"
list: [1, 2]
structs: [{param: a, value: 1}, {param: b}]
ordered: {z: 1, a: true, m: x}
optional: {param: limit}
raw: {any: [shape, 1, 1.5, true, null, "5"]}
one: a
many: [a, b]
style: offset
`)
	got := everything{Kept: "default"}
	if err := n.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Text != "007" || got.Number != 1.5 || got.Whole != 16 || got.Wait != 90*24*time.Hour || got.Size != 64<<20 || !got.Shared {
		t.Errorf("scalars: %+v", got)
	}
	if got.Type.String() != "decimal(12,2)" || got.Long.String() != "enum(a,b)" {
		t.Errorf("types: %s, %s", got.Type, got.Long)
	}
	if got.SQL.SQL != "1 + 1" || got.SQL.At != (Position{File: "x.yaml", Line: 10, Column: 6}) || got.Path.At.Column != 8 {
		t.Errorf("places: %+v, %+v", got.SQL, got.Path)
	}
	if diff := cmp.Diff([]string{"z", "a", "m"}, got.Ordered.Keys()); diff != "" {
		t.Error(diff)
	}
	if got.Kept != "default" || got.Missing != nil || got.Optional == nil || got.Optional.Param != "limit" {
		t.Errorf("defaults: %+v", got)
	}
	if v, ok := got.Ordered.Get("a"); !ok || v.Text != "true" {
		t.Errorf("%+v", v)
	}
	want := map[string]any{"any": []any{"shape", int64(1), 1.5, true, nil, "5"}}
	if diff := cmp.Diff(any(want), got.Raw.Value()); diff != "" {
		t.Error(diff)
	}
	if fmt.Sprint(got.List, got.Structs, got.One.Texts(), got.Many.Texts()) != "[1 2] [{a 1} {b 0}] [a] [a b]" {
		t.Error(got.List, got.Structs, got.One, got.Many)
	}
}

func TestDecodeReportsEverythingThatIsWrong(t *testing.T) {
	n := nodeOf(t, `
text: [a]
number: many
whole: 1.5
wait: 5 minutes
size: big
type: blob
long: {type: int64, enum: [a]}
sql: ""
list: 5
structs: [{value: x, parm: y}]
optional: text
style: pages
stile: page
kept:
`)
	err := n.Decode(&everything{})
	want := []string{
		`x.yaml:2:7: "text" must be text (found a list)`,
		`x.yaml:3:9: "number" must be a number (found "many")`,
		`x.yaml:4:8: "whole" must be a whole number (found "1.5")`,
		`x.yaml:5:7: "wait" must be a duration such as 30s, 10m or 90d (found "5 minutes")`,
		`x.yaml:6:7: "size" must be a size such as 64MiB (found "big")`,
		`x.yaml:7:7: "blob" is not a type`,
		`x.yaml:8:14: enum needs the type string`,
		`x.yaml:9:7: "sql" must be an SQL expression`,
		`x.yaml:10:7: "list" must be a list (found "5"); help: write [5]`,
		`x.yaml:11:11: "structs[0].param" is missing`,
		`x.yaml:11:19: "structs[0].value" must be a whole number (found "x")`,
		`x.yaml:11:22: unknown key "structs[0].parm"; help: did you mean "param"?`,
		`x.yaml:12:11: "optional" must be a mapping (found "text")`,
		`x.yaml:13:8: "style" cannot be "pages" (it is one of page, offset); help: did you mean "page"?`,
		`x.yaml:14:1: unknown key "stile"; help: did you mean "style"?`,
		`x.yaml:15:1: "kept" has no value`,
	}
	if err == nil {
		t.Fatal("no problem found")
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

func TestRestTakesTheKeysThatNobodyElseNames(t *testing.T) {
	var got struct {
		Known string `yaml:"known"`
		Rest  Node   `yaml:",rest"`
	}
	if err := nodeOf(t, "known: x\na: 1\nother: 2\n").Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Rest.Has("known") || !got.Rest.Has("a") || len(got.Rest.Entries()) != 2 {
		t.Errorf("%v", got.Rest.Value())
	}
	err := got.Rest.Decode(&struct {
		Alpha int `yaml:"a"`
	}{})
	if err == nil || !strings.Contains(err.Error(), `unknown key "other"; help: valid here: known, a`) {
		t.Errorf("the keys decoded elsewhere are valid too: %v", err)
	}
}

func TestTheZeroNodeIsNotThere(t *testing.T) {
	var n Node
	got := everything{Kept: "default"}
	if err := n.Decode(&got); err != nil || got.Kept != "default" {
		t.Errorf("%v", err)
	}
	if n.Kind() != KindNone || n.Has("x") || n.Get("x").Kind() != KindNone || n.Items() != nil || n.Entries() != nil || n.Value() != nil || n.Text() != "" || n.Path() != "" {
		t.Error("it has something")
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	n := nodeOf(t, `
base: &base {a: 1, b: 2}
more: &more {c: 3}
one: {<<: *base, b: 5}
two:
  <<: [*base, *more]
  a: 0
same: *base
`)
	for path, want := range map[string]string{
		"one":  "map[a:1 b:5]",
		"two":  "map[a:0 b:2 c:3]",
		"same": "map[a:1 b:2]",
	} {
		if got := fmt.Sprint(n.Get(path).Value()); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := n.Get("same").Get("a"); got.Path() != "same.a" || got.At().Line != 2 {
		t.Errorf("an alias is named where it is used and placed where it was written: %s %+v", got.Path(), got.At())
	}
}

func TestAliasesCannotUnfoldForEver(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	_, problems := parse("x.yaml", []byte(b.String()))
	if len(problems) == 0 || !strings.Contains(problems.Error(), "unfolds to too much") {
		t.Errorf("%d problems", len(problems))
	}
}

// The place of any byte of an expression is where that byte stands in the file.
func TestPlacesWithinExpressions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zé]{1,8}`), 1, 6).Draw(t, "words")
		style := rapid.SampledFrom([]string{"plain", "single", "double", "block"}).Draw(t, "style")
		indent := strings.Repeat(" ", rapid.IntRange(1, 5).Draw(t, "indent"))
		sql := strings.Join(words, " + ")
		text := map[string]string{"plain": "k: " + sql, "single": "k: '" + sql + "'", "double": `k: "` + sql + `"`,
			"block": "k: |\n" + indent + strings.Join(words, "\n"+indent+"  + ")}[style]
		tree, problems := parse("x.yaml", []byte("# first\n"+text+"\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		var e Expr
		if err := (Node{n: tree.get("k")}).Decode(&e); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split("# first\n"+text+"\n", "\n")
		for i, r := range e.SQL {
			at := e.Place(i)
			line := []rune(lines[at.Line-1])
			if r != '\n' && (at.Column > len(line) || line[at.Column-1] != r) {
				t.Fatalf("%s: byte %d (%q) is placed at %d:%d in\n%s", style, i, r, at.Line, at.Column, text)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	keys := []string{"cursor_field", "lookback_window", "null_cursor", "map", "key"}
	for name, want := range map[string]string{
		"cursor_feild": "cursor_field", "Map": "map", "mpa": "map", "keys": "key", "lookback": "", "entirely": "", "loopback_window": "lookback_window",
	} {
		if got := Nearest(name, keys); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Whatever stands in a file, Load answers with problems that have places.
func FuzzLoad(f *testing.F) {
	f.Add(readFileF(f, rentals))
	f.Add(readFileF(f, "testdata/complete.yaml"))
	f.Add(readFileF(f, "testdata/wrong/shapes.yaml"))
	f.Add([]byte("a: &a [*a]\n<<: *a\n? x\n: y\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tree, problems := parse("x.yaml", raw)
		if tree != nil {
			x := &expander{env: environment, readFile: func(string) ([]byte, error) { return []byte("from-file"), nil }}
			x.tree(tree)
			b := &builder{known: testKnown(), fetches: map[string]bool{}, problems: append(problems, x.problems...)}
			b.project(Node{n: tree})
			Node{n: tree}.canonical()
			problems = b.problems
		}
		for _, p := range problems {
			if p.Where.Line < 1 || p.Where.Column < 1 || p.Where.File != "x.yaml" {
				t.Errorf("no place: %s", line(p))
			}
		}
	})
}
