package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/stages/review/story"
)

// typed is a person at a terminal.
type typed struct {
	lines   []string
	prompts []string
}

func (p *typed) ReadLine(prompt string) (string, error) {
	p.prompts = append(p.prompts, strings.TrimSpace(prompt))
	if len(p.lines) == 0 {
		return "", io.EOF
	}
	line := p.lines[0]
	p.lines = p.lines[1:]
	return line, nil
}

func TestThePromptAnswersWhatEndsWithASemicolon(t *testing.T) {
	var out, errOut bytes.Buffer
	var asked []string
	talk := conversation{cli: &cli{out: &out, err: &errOut, secrets: observe.NewRedactor()},
		views: func() ([]story.View, error) {
			return []story.View{{Name: "runs", Shows: "every run", Columns: []story.Column{{Name: "run", Type: "VARCHAR", Means: "its ID"}}}}, nil
		},
		ask: func(statement string) error {
			asked = append(asked, statement)
			if strings.Contains(statement, "wrong") {
				return &usageError{err: errors.New("it is wrong"), help: "do it right"}
			}
			return nil
		}}
	person := &typed{lines: []string{"", "select 1", "  from runs; ", "select 'wrong';", ".views", ".schema runs", ".schema run", ".schema", ".vews", "select 2;", ".quit", "select 3;"}}
	if err := talk.run(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(asked, "|"); got != "select 1\n  from runs;|select 'wrong';|select 2;" {
		t.Errorf("asked %q", got)
	}
	if got := strings.Join(person.prompts[:4], " "); got != "trueup> trueup> ...> trueup>" {
		t.Errorf("prompts %q", got)
	}
	says(t, out.String(), "runs", "every run", "run  VARCHAR  its ID")
	says(t, errOut.String(), "error: it is wrong", "help: do it right", `there is no view "run"; perhaps runs was meant`, ".schema needs a view", "there is no command .vews")
	if err := talk.run(t.Context(), &typed{lines: []string{"select 4"}}); err != nil || len(asked) != 3 {
		t.Errorf("%v %q", err, asked)
	}
}

func TestAQueryAnswersInEveryFormat(t *testing.T) {
	r := newRental(t, 17, 10)
	r.run(t, "sweep")
	const statement = "select entity, key, record from golden order by key limit 2;"
	for format, part := range map[string]string{"table": "2 rows", "csv": `bookings,`, "json": `"entity": "bookings"`} {
		out, errOut, code := here(t, r.dir, r.with(), "query", "--format", format, statement)
		if code != exitDone {
			t.Fatalf("%d: %s", code, errOut)
		}
		says(t, out, part, "check_in")
	}
	path := filepath.Join(t.TempDir(), "golden.parquet")
	if _, errOut, code := here(t, r.dir, r.with(), "query", "--format", "parquet", "--out", path, statement); code != exitDone {
		t.Fatalf("%d: %s", code, errOut)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil || file.NumRows() != 2 || len(file.Schema().Fields()) != 3 {
		t.Errorf("%v %v", file, err)
	}
	for _, args := range [][]string{{"--format", "parquet", "select 1"}, {"--format", "xml", "select 1"}, {"--rows", "0", "select 1"},
		{"--format", "parquet", "--rows", "1", "--out", path, "from range(2)"}, {"--out", "/dev/null/x", "select 1"}, {"--describe", "goldn"}} {
		if _, errOut, code := here(t, r.dir, r.with(), append([]string{"query"}, args...)...); code != exitUsage || !strings.Contains(errOut, "help: ") {
			t.Errorf("%v: %d %s", args, code, errOut)
		}
	}
	if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, data) {
		t.Error("a query that failed touched the file of an earlier one")
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("it leaves %v", left)
	}
}

// Every type of value prints as DuckDB writes it, not as the program holds it.
func TestValuesPrintAsTheyAreWritten(t *testing.T) {
	r := newRental(t, 17, 10)
	statement := `select interval 90 second + interval '1.25 second' as a, interval '1 year 2 months 1 day' as b, -interval '1 hour' as c, interval 0 second as d,
		map{'k': 1} as e, '01890000-0000-7000-8000-00000000000a'::uuid as f, {'x': 1.50, 'y': [interval 2 day]} as g, 1.50 as h, date '2026-01-02' as i, time '10:00:00' as j,
		timestamptz '2026-01-02 10:00:00Z' as k, null as l, 1::hugeint as m`
	out, errOut, code := here(t, r.dir, r.with(), "query", "--format", "csv", statement)
	if code != exitDone {
		t.Fatal(errOut)
	}
	want := `00:01:31.25,1 year 2 months 1 day,-01:00:00,00:00:00,"{""k"":1}",01890000-0000-7000-8000-00000000000a,"{""x"":""1.50"",""y"":[""2 days""]}",1.50,2026-01-02,10:00:00,2026-01-02T10:00:00Z,,1`
	if _, row, _ := strings.Cut(strings.TrimSpace(out), "\n"); row != want {
		t.Errorf("%s\n%s", row, want)
	}
}

func TestDescribeSaysWhatEveryColumnMeans(t *testing.T) {
	r := newRental(t, 18, 10)
	out, _, code := here(t, r.dir, r.with(), "query", "--describe", "--output", "json")
	var views []story.View
	if err := json.Unmarshal([]byte(out), &views); err != nil || code != exitDone || len(views) < 20 {
		t.Fatalf("%d %v %s", code, err, out)
	}
	out, _, _ = here(t, r.dir, r.with(), "query", "--describe", "outcomes")
	says(t, out, "outcomes: What became of every request", "evidence  VARCHAR", "how the outcome is known")
	out, _, _ = here(t, r.dir, r.with(), "query", "--describe")
	says(t, out, "golden: ", "checkpoints: ", "current_bookings_pms", "journal")
}

func TestAStatementThatBreaksOffIsPointedAt(t *testing.T) {
	r := newRental(t, 19, 10)
	_, errOut, code := here(t, r.dir, r.with(), "query", "select key\nfrom golden where")
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	says(t, errOut, "at end of input\n  from golden where\n                   ^\n")
}
