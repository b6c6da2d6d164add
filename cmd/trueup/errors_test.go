package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// errorsDocument is docs/errors.md, made of the list of codes.
func errorsDocument() string {
	var b strings.Builder
	b.WriteString("# Errors and their codes\n\nEvery error says what failed, where and why, then `help:` what to do, `note:` what is safe, and `code:` one of these names.\n" +
		"Programs find it as `code` with `--output json`. The list is closed. `trueup explain CODE` prints an entry.\n")
	for _, c := range fault.Codes() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** %s\n\n- What is safe: %s\n- What to do: %s\n", c.Name, strings.ToUpper(c.Title[:1])+c.Title[1:], c.Meaning, c.Safe, c.Do)
	}
	return b.String()
}

func TestTheDocumentOfErrorsIsCurrent(t *testing.T) {
	const file = "../../docs/errors.md"
	want := errorsDocument()
	if *writeDocs {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what the list of codes says (%v); write it anew: go test ./cmd/trueup -run TestTheDocument -write-docs", file, err)
	}
}

// Each code is whole, has a name of its own, and is carried by some error; and no
// error carries a name that is not in the list.
func TestTheListOfCodesIsClosed(t *testing.T) {
	source := sources(t)
	seen := map[string]bool{}
	for _, c := range fault.Codes() {
		if seen[c.Name] || c.Title == "" || c.Meaning == "" || c.Safe == "" || c.Do == "" || !regexp.MustCompile(`^[a-z_]+$`).MatchString(c.Name) {
			t.Errorf("%+v", c)
		}
		seen[c.Name] = true
	}
	list, err := os.ReadFile("../../pipeline/fault/codes.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^\t(Code\w+)\s+= "(\w+)"$`).FindAllStringSubmatch(string(list), -1)
	if len(declared) != len(seen) {
		t.Errorf("%d names, %d codes", len(declared), len(seen))
	}
	for _, d := range declared {
		if !seen[d[2]] {
			t.Errorf("%s is not in the list", d[1])
		}
		if !regexp.MustCompile(`fault\.`+d[1]+`\b`).MatchString(source) && !strings.Contains(string(list), "return "+d[1]+"\n") {
			t.Errorf("no error carries %s", d[1])
		}
	}
	if m := regexp.MustCompile(`(?:WithCode\(|Code:\s*)"\w+"`).FindString(source); m != "" {
		t.Errorf("%s does not come from the list", m)
	}
}

// sources is the program's code without its tests and without the list itself.
func sources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, root := range []string{"../../cmd", "../../pipeline", "../../stages"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "fault/codes.go") {
				return err
			}
			text, err := os.ReadFile(path)
			b.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestExplainSaysWhatACodeMeans(t *testing.T) {
	dir := t.TempDir() // it needs no project
	for _, c := range fault.Codes() {
		out, errOut, code := here(t, dir, nil, "explain", c.Name)
		if code != exitDone {
			t.Fatalf("%s: %d %s", c.Name, code, errOut)
		}
		says(t, out, c.Name+": "+c.Title, c.Meaning, "note: "+c.Safe, "help: "+c.Do)
	}
	out, _, _ := here(t, dir, nil, "explain", "lease_held", "--output", "json")
	var one fault.Code
	if err := json.Unmarshal([]byte(out), &one); err != nil || one.Name != "lease_held" || one.Do == "" {
		t.Errorf("%v %s", err, out)
	}
	_, errOut, code := here(t, dir, nil, "explain", "lease_hold")
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	says(t, errOut, "trueup explain lease_held")
}

// What the outside did is said beside its stream, and again after the summary,
// with a code that says more.
func TestWhatWentWrongIsRepeatedAfterTheSummary(t *testing.T) {
	r := newRental(t, 41, 10)
	out, _, code := here(t, r.dir, r.with("PMS_TOKEN=a-wrong-secret-token"), "run", "--mode", "sweep", "--progress", "none")
	if code != exitAttention {
		t.Fatalf("%d %s", code, out)
	}
	summary := strings.Index(out, "done in ")
	if summary < 0 || strings.Count(out[:summary], "why: ") != 1 || strings.Count(out[summary:], "why: ") != 1 {
		t.Errorf("%s", out)
	}
	order(t, out, "done in ", "attention: bookings@pms was not read to its end", "why: ", "401", "help: ", "code: access_refused (trueup explain access_refused)")
	if strings.Contains(out, "a-wrong-secret-token") {
		t.Errorf("a secret: %s", out)
	}
	_, errOut, code := here(t, r.dir, r.with(), "run", "--run-at", "2020-01-01T00:00:00Z", "--progress", "none")
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	says(t, errOut, "code: clock_backwards", "help: ", "note: ")
}
