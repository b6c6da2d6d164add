package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The demo is the whole job with real processes, one of which is killed; it
// proves itself, so that its exit code is the test.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	out := must(t, dir, nil, []int{exitDone}, "demo", "--dir", "demo", "--records", "300", "--hours", "5")
	t.Log(out)
	for _, line := range []string{"$ trueup init && trueup validate", "$ trueup run --mode sweep", "$ trueup plan", "$ trueup approve plan-",
		"&& trueup load", "KILLED", "high  retry_storm deskline", "expected: ", "evidence: trueup query", "help: ", "$ trueup decide ", "the rule is hold", "which was decided, is", "settled", "0 sent", "0 disagree", "0 lost", "0 double", "HMLATE001, which no hourly", "are held", "--expect 25", "proof     holds"} {
		if !strings.Contains(out, line) {
			t.Errorf("the demo does not say %q", line)
		}
	}
	// What it leaves can be asked, without the systems and without any environment.
	for _, m := range regexp.MustCompile(`(?m)^  \S+ (--project .*)$`).FindAllStringSubmatch(out, -1) {
		args := arguments(m[1])
		must(t, dir, nil, []int{exitDone}, args...)
	}
	if out, code := trueup(t, dir, nil, "demo", "--dir", filepath.Dir(dir)); code != exitFailed || !strings.Contains(out, "nothing was changed") {
		t.Errorf("a folder that no demo made: exit code %d: %s", code, out)
	}
}

// arguments splits a command line as a shell does: by blanks, but for quoted text.
func arguments(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`"((?:[^"\\]|\\.)*)"|\S+`).FindAllStringSubmatch(line, -1) {
		if strings.HasPrefix(m[0], `"`) {
			out = append(out, strings.ReplaceAll(m[1], `\"`, `"`))
		} else {
			out = append(out, m[0])
		}
	}
	return out
}
