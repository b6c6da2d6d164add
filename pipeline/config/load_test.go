package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trueup-data/trueup/pipeline/fault"
)

var update = flag.Bool("update", false, "write the golden files again")

// environment is what ${...} finds in these tests.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"PMS_DSN":      "postgres://trueup:canary-password@db.example:5432/pms",
		"AIRBNB_URL":   "https://api.example/airbnb",
		"AIRBNB_TOKEN": "canary-token",
		"ALERT_URL":    "https://alerts.example/hook",
		"EMPTY":        "",
	}[name]
	return v, ok
}

// Every folder or file of testdata/wrong is a project with problems; the file
// beside it, .golden, is what Load says of it.
func TestAllProblemsAtOnceWithPlaceReasonAndHelp(t *testing.T) {
	cases, err := filepath.Glob("testdata/wrong/*")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		if strings.HasSuffix(path, ".golden") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(path, environment, testKnown())
			if err == nil {
				t.Fatal("no problem found")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", strings.ReplaceAll(err.Error(), "testdata/wrong/", "")+"\n")
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got; go test -update writes it)\n%s", diff)
	}
}

// The complete design as one file: every key that has no effect yet is refused
// by name, and nothing else is wrong with it but what follows from that.
func TestWhatIsNotBuiltIsRefusedByName(t *testing.T) {
	_, err := Load("testdata/complete.yaml", environment, testKnown())
	if err == nil {
		t.Fatal("no problem found")
	}
	golden(t, "testdata/complete.golden", strings.ReplaceAll(err.Error(), "testdata/", "")+"\n")
	for _, name := range []string{"confirm", "monitors.notify"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named", name)
		}
	}
}

func TestEveryProblemIsAFaultWithItsPlace(t *testing.T) {
	_, err := Load("testdata/complete.yaml", environment, testKnown())
	var problems Problems
	if !errors.As(err, &problems) || len(problems) < 5 {
		t.Fatalf("want Problems, got %T", err)
	}
	var one *fault.Error
	if !errors.As(err, &one) || one.Where.Line == 0 || one.Where.Column == 0 || one.Code == "" {
		t.Errorf("no placed fault in it: %+v", one)
	}
	if fault.KindOf(err) != fault.Permanent {
		t.Error("a wrong file is not worth a retry")
	}
}

const rentals = "../../testdata/projects/rentals/trueup.yaml"

func load(t *testing.T, path string) *Project {
	t.Helper()
	p, err := Load(path, environment, testKnown())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readFileF(f *testing.F, path string) []byte {
	f.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return raw
}
