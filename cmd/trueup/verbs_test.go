package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store/file"
)

// here runs a command line in this process, over the project in dir.
func here(t *testing.T, dir string, env map[string]string, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	args = append([]string{"--project", filepath.Join(dir, "trueup.yaml")}, args...)
	code = execute(t.Context(), args, strings.NewReader(""), &o, &e, lookup)
	return o.String(), e.String(), code
}

// with is the rental's environment, some of it changed.
func (r *rental) with(changes ...string) map[string]string {
	env := map[string]string{}
	for _, pair := range append(append([]string{}, r.env...), changes...) {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// says fails unless text has all the parts.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func TestInitMayBeRepeatedAndItsProjectIsValid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out, errOut, code := here(t, dir, nil, "init"); code != exitDone {
			t.Fatalf("%d: %s%s", code, out, errOut)
		}
	}
	ignored, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil || string(ignored) != "*.log\n.trueup/\n" {
		t.Errorf("%q, %v", ignored, err)
	}
	if out, errOut, code := here(t, dir, nil, "validate"); code != exitDone {
		t.Fatalf("the starter project is not valid: %s%s", out, errOut)
	}
}

func TestValidateSaysEverythingAtOnceWithPlaces(t *testing.T) {
	dir := t.TempDir()
	text := strings.Replace(string(starter), "requests_per_second: 10", "requests_per_secnd: 10", 1)
	text = strings.Replace(text, "primary_key: [id]", "primary_ky: [id]", 1)
	text = strings.Replace(text, "${CHANNEL_URL:-http://127.0.0.1:3000}", "${CHANNEL_URL}", 1)
	if err := os.WriteFile(filepath.Join(dir, "trueup.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errOut, code := here(t, dir, nil, "validate")
	if code != exitUsage {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	says(t, errOut, "requests_per_second", "primary_key", "CHANNEL_URL is not set", "trueup.yaml:13:", "help: ", "note: ")
	_, errOut, code = here(t, dir, nil, "validate", "--output", "json")
	var f failure
	if err := json.Unmarshal([]byte(errOut), &f); err != nil || code != exitUsage || f.ExitCode != exitUsage || len(f.Problems) < 3 || f.Problems[0].Line == 0 {
		t.Errorf("%d %+v %v", code, f, err)
	}
}

// What is wrong with a command line is exit code 2, and says the way on.
func TestUsageErrors(t *testing.T) {
	r := newRental(t, 11, 10)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"runn"}, "trueup run"},
		{[]string{"plan", "x"}, "takes no argument"},
		{[]string{"explain", "bookings"}, "needs an entity and a key"},
		{[]string{"explain", "bokings", "X"}, "perhaps bookings was meant"},
		{[]string{"findings", "0123"}, "no finding begins with"},
		{[]string{"findings", "--system", "stayb"}, "perhaps staybnb was meant"},
		{[]string{"findings", "--kind", "volume_dro"}, "perhaps volume_drop was meant"},
		{[]string{"run", "--entity", "nope"}, "the project has no entity"},
		{[]string{"run", "--system", "stayb"}, "perhaps staybnb was meant"},
		{[]string{"run", "--mode", "x"}, "incremental or sweep"},
		{[]string{"run", "--run-at", "yesterday"}, "is not a time"},
		{[]string{"run", "--nope"}, "unknown flag"},
		{[]string{"status", "--output", "xml"}, "text or json"},
		{[]string{"changes", "--state", "plannd"}, "perhaps planned"},
		{[]string{"approve"}, "needs a plan"},
		{[]string{"approve", "plan-x"}, "nothing was decided"},
		{[]string{"approve", "--where", "opp = 1"}, "\n  opp = 1\n  ^\n"},
		{[]string{"query", "select * from jounal"}, "Did you mean \"journal\"?\n  select * from jounal\n                ^\n"},
		{[]string{"query", "copy journal to 'x.csv'"}, "query"},
		{[]string{"query", "--commit", "999", "select 1"}, "there is no commit 999 yet"},
		{[]string{"query", "--rows", "1", "from range(2)"}, "more than 1 row"},
		{[]string{"--project", "none.yaml", "status"}, "no such file"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out, errOut, code := here(t, r.dir, r.with(), c.args...)
			if code != exitUsage || out != "" {
				t.Errorf("exit code %d, %q", code, out)
			}
			says(t, errOut, "error: ", "help: ", c.says)
			if strings.Contains(errOut, "run \"") {
				t.Errorf("a chain of Go's: %s", errOut)
			}
		})
	}
}

func TestDoctorNamesWhatFails(t *testing.T) {
	r := newRental(t, 12, 10)
	out, _, code := here(t, r.dir, r.with(), "doctor")
	if code != exitDone {
		t.Fatalf("%d: %s", code, out)
	}
	says(t, out, "ok      lake", "ok      system bookings@pms answers", "on the first page")
	if strings.Contains(out, "note: ") {
		t.Errorf("both systems guard every write:\n%s", out)
	}
	out, errOut, code := here(t, r.dir, r.with("PMS_TOKEN=a-wrong-secret-token"), "doctor")
	if code != exitFailed || strings.Contains(out+errOut, "a-wrong-secret-token") {
		t.Errorf("%d: %s%s", code, out, errOut)
	}
	says(t, out, "failed  system bookings@pms answers", "why: ", "401", "ok      system bookings@staybnb answers")
	says(t, errOut, "1 of 5 checks failed", "help: ", "note: nothing was changed")
	out, _, code = here(t, r.dir, r.with("TRUEUP_STORE=file:///dev/null/store"), "doctor", "--output", "json")
	var checks []check
	if err := json.Unmarshal([]byte(out), &checks); err != nil || code != exitFailed || len(checks) < 2 || checks[1].OK {
		t.Errorf("%d %v %s", code, err, out)
	}
}

// What the protocol of a stream cannot promise is told before anything is lost by it.
func TestDoctorSaysWhatAProtocolCannotPromise(t *testing.T) {
	for _, c := range []struct{ remove, put, says string }{
		{"precondition: {header: If-Match, from: {header: ETag}}", "verify: none", "bookings@pms has no precondition: an edit in the instant before a write may be replaced (verify: none accepts lost edits)"},
		{"idempotency: {header: Idempotency-Key, retention: 24h}", "", "bookings@staybnb has no precondition: an edit in the instant before a write may be replaced (each record is read right before it is written)"},
		{"idempotency: {header: Idempotency-Key, retention: 24h}", "", "bookings@staybnb does not enforce our key: a create that executes late may exist twice, and is then a finding"},
	} {
		t.Run(c.says, func(t *testing.T) {
			r := newRental(t, 12, 10)
			project := filepath.Join(r.dir, "trueup.yaml")
			text, err := os.ReadFile(project)
			if err != nil || !bytes.Contains(text, []byte(c.remove)) {
				t.Fatal(err, c.remove)
			}
			if err := os.WriteFile(project, bytes.Replace(text, []byte(c.remove), []byte(c.put), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			out, errOut, code := here(t, r.dir, r.with(), "doctor")
			if code != exitDone {
				t.Errorf("%d %s", code, errOut)
			}
			says(t, out, "note: "+c.says)
		})
	}
}

func TestEveryVerbAnswersInJSON(t *testing.T) {
	r := newRental(t, 13, 30)
	r.world.Advance(time.Hour)
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"init"}, exitDone}, {[]string{"validate"}, exitDone}, {[]string{"doctor"}, exitDone}, {[]string{"version"}, exitDone},
		{[]string{"status"}, exitDone}, {[]string{"plan"}, exitDone}, {[]string{"runs"}, exitDone},
		{[]string{"extract", "--mode", "sweep"}, exitDone}, {[]string{"reconcile"}, exitAttention}, {[]string{"plan"}, exitDone},
		{[]string{"reject", "--where", "op = 'nothing' or true", "--reason", "a test", "--by", "ana"}, exitDone},
		{[]string{"load"}, exitDone}, {[]string{"run"}, exitDone}, {[]string{"status"}, exitDone}, {[]string{"runs"}, exitDone},
		{[]string{"changes"}, exitDone}, {[]string{"query", "from runs"}, exitDone}, {[]string{"query", "--describe"}, exitDone},
		{[]string{"compact"}, exitDone}, {[]string{"collect"}, exitDone},
	} {
		out, errOut, code := here(t, r.dir, r.with(), append(c.args, "--output", "json")...)
		if code != c.code || errOut != "" || !json.Valid([]byte(out)) || strings.TrimSpace(out) == "null" {
			t.Errorf("%v: exit code %d\n%s\n%s", c.args, code, out, errOut)
		}
	}
}

// Approving a plan does not take back what a person rejected of it, and what is
// rejected is not proposed again.
func TestRejectedChangesAreNotProposedAgain(t *testing.T) {
	r := newRental(t, 13, 30)
	out, _, code := here(t, r.dir, r.with(), "run", "--mode", "sweep", "--output", "json")
	var first runReport
	if err := json.Unmarshal([]byte(out), &first); err != nil || code != exitAttention || len(first.Needs) != 1 || first.Reconciled[0].Waiting < 2 {
		t.Fatalf("%d %v %s", code, err, out)
	}
	all := first.Reconciled[0].Waiting
	if _, errOut, code := here(t, r.dir, r.with(), "reject", "--where", "true", "--expect", "0"); code != exitFailed {
		t.Errorf("%d %s", code, errOut)
	}
	var planned []struct{ Change string }
	out, _, _ = here(t, r.dir, r.with(), "plan", "--output", "json")
	if err := json.Unmarshal([]byte(out), &planned); err != nil || int64(len(planned)) != all {
		t.Fatalf("%v %s", err, out)
	}
	if out, errOut, code := here(t, r.dir, r.with(), "reject", planned[0].Change, "--reason", "not yet"); code != exitDone {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	effects := len(r.world.Effects())
	out, _, _ = here(t, r.dir, r.with(), "approve", first.Reconciled[0].Plan, "--output", "json")
	var decided struct{ Changes []struct{ System string } }
	if err := json.Unmarshal([]byte(out), &decided); err != nil || len(decided.Changes) == 0 || int64(len(decided.Changes)) != all-1 {
		t.Fatalf("%v %s", err, out)
	}
	here(t, r.dir, r.with(), "load")
	if sent := len(r.world.Effects()) - effects; sent != len(decided.Changes) {
		t.Errorf("%d effects, %d approved", sent, len(decided.Changes))
	}
	for range 2 {
		if out, errOut, code := here(t, r.dir, r.with(), "run"); code != exitDone {
			t.Errorf("%d %s%s", code, out, errOut)
		}
	}
	if sent := len(r.world.Effects()) - effects; sent != len(decided.Changes) {
		t.Errorf("%d effects, %d approved", sent, len(decided.Changes))
	}
	out, _, _ = here(t, r.dir, r.with(), "plan")
	says(t, out, "nothing to send")
}

// A second run does nothing while another renews the lease.
func TestAnotherRunIsExitCode4(t *testing.T) {
	r := newRental(t, 14, 10)
	st, err := file.Open(filepath.Join(r.dir, ".trueup", "store"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), st, lake.Options{LeaseTTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := l.Acquire(t.Context(), "the other run", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var kept sync.WaitGroup
	kept.Go(func() { _ = lease.Keep(ctx) })
	_, errOut, code := here(t, r.dir, r.with(), "run", "--progress", "none")
	stop()
	kept.Wait()
	if code != exitLeaseHeld {
		t.Errorf("exit code %d", code)
	}
	says(t, errOut, "the other run", "help: ", "trueup status", "note: this run did nothing")
}

// SIGTERM while a system does not answer: the run stops, and the next goes on.
func TestATerminatedRunIsExitCode130(t *testing.T) {
	r := newRental(t, 15, 10)
	asked, once := make(chan struct{}), sync.Once{}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		once.Do(func() { close(asked) })
		<-q.Context().Done()
	}))
	defer silent.Close()
	p := newProcess(t, r.dir, append(r.env, "STAYBNB_URL="+silent.URL), "run", "--mode", "sweep", "--progress", "none", "--run-at", r.world.Now().UTC().Format(time.RFC3339))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.end(t); code != exitInterrupted {
		t.Errorf("exit code %d:\n%s", code, &p.out)
	}
	says(t, p.out.String(), "interrupted after a checkpoint", "help: trueup run", "note: ")
	r.run(t, "sweep")
}

// A store that cannot be written ends the run with an error, and loses nothing.
func TestAnInterruptedDemoSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	none := func(string) (string, bool) { return "", false }
	code := execute(ctx, []string{"demo", "--dir", filepath.Join(t.TempDir(), "demo")}, strings.NewReader(""), &out, &errOut, none)
	if code != exitInterrupted {
		t.Errorf("%d", code)
	}
	says(t, errOut.String(), "error: ", "interrupted", "help: trueup demo", "note: ")
}

func TestAStoreThatCannotBeWrittenIsAClearError(t *testing.T) {
	r := newRental(t, 16, 10)
	before, _, _ := here(t, r.dir, r.with(), "status", "--output", "json")
	log := filepath.Join(r.dir, ".trueup", "store", "log")
	if err := os.Rename(log, log+".kept"); err != nil {
		t.Fatal(err)
	}
	_, errOut, code := here(t, r.dir, r.with(), "run", "--progress", "none")
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	says(t, errOut, "error: ", "help: trueup init", "note: nothing was read or written")
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(log+".kept", log); err != nil {
		t.Fatal(err)
	}
	if after, _, _ := here(t, r.dir, r.with(), "status", "--output", "json"); after != before {
		t.Errorf("%s became %s", before, after)
	}
}
