package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// A stream that says too much at once is not judged until a person approves what
// it said, by the finding that tells of it.
func TestApprovingAQuarantine(t *testing.T) {
	r := newRental(t, 21, 20)
	project := filepath.Join(r.dir, "trueup.yaml")
	text, err := os.ReadFile(project)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("guards: {"), []byte("guards: {input: {max_changes: {at_least: 2}}, "), 1)
	if err := os.WriteFile(project, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(t, "sweep")
	r.run(t, "incremental")
	for _, b := range r.world.Records(world.PMS)[:3] {
		if _, err := r.world.Edit(world.PMS, b.ID, world.Values{"price": world.Text("1.23")}); err != nil {
			t.Fatal(err)
		}
	}
	out, errOut, code := here(t, r.dir, r.with(), "validate", "--sample", "100", "--output", "json")
	var sampled struct {
		Tried  int
		Fields []struct{ Kind string }
	}
	if err := json.Unmarshal([]byte(out), &sampled); err != nil || code != exitDone || sampled.Tried == 0 {
		t.Errorf("%d %v %s%s", code, err, out, errOut)
	}
	effects := len(r.world.Effects())
	if _, errOut, code := here(t, r.dir, r.with(), "run"); code != exitAttention {
		t.Fatalf("%d %s", code, errOut)
	}
	out, _, _ = here(t, r.dir, r.with(), "status", "--output", "json")
	var status struct {
		Findings []struct{ Finding, Kind, Help string }
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Findings) != 1 || status.Findings[0].Kind != "quarantine" || len(r.world.Effects()) != effects {
		t.Fatalf("%v, %d effects more\n%s", err, len(r.world.Effects())-effects, out)
	}
	name := status.Findings[0].Finding[:12]
	says(t, status.Findings[0].Help, "trueup approve "+name)
	_, errOut, code = here(t, r.dir, r.with(), "reject", name)
	if code != exitUsage {
		t.Errorf("%d", code)
	}
	says(t, errOut, "cannot be rejected")
	out, errOut, code = here(t, r.dir, r.with(), "approve", name, "--by", "ana")
	if code != exitDone {
		t.Fatalf("%d %s", code, errOut)
	}
	says(t, out, "3 keys with news, at most 2", "by ana")
	if _, errOut, code := here(t, r.dir, r.with(), "run"); code != exitDone || len(r.world.Effects()) == effects {
		t.Errorf("%d %s, %d effects more", code, errOut, len(r.world.Effects())-effects)
	}
	out, _, _ = here(t, r.dir, r.with(), "status")
	if strings.Contains(out, "quarantine") {
		t.Errorf("it stands still:\n%s", out)
	}
}
