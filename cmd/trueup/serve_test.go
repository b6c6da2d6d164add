package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

const hourly = "schedules:\n  hourly: {cron: \"5 * * * *\", mode: incremental}\n"

// schedules adds schedules to a rental's project, and makes it patient: no process
// of these tests dies, so nobody waits for a lease, and a busy machine loses none.
func (r *rental) schedules(t *testing.T, text string) {
	t.Helper()
	r.edit(t, func(project string) string {
		return strings.NewReplacer("lease: 1s", "lease: 5m", "timeout: 700ms", "timeout: 30s").Replace(project) + "\n" + text
	})
}

func (r *rental) edit(t *testing.T, change func(project string) string) {
	t.Helper()
	path := filepath.Join(r.dir, "trueup.yaml")
	project, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(project))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serving is a serve process whose log is read line by line.
type serving struct {
	*process
	t    *testing.T
	log  *bufio.Scanner
	seen strings.Builder
}

func startServe(t *testing.T, r *rental, args ...string) *serving {
	t.Helper()
	s := &serving{process: newProcess(t, r.dir, r.env, append([]string{"serve"}, args...)...), t: t}
	s.Stderr = nil
	pipe, err := s.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.log = bufio.NewScanner(pipe)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Process.Kill() })
	return s
}

// until reads the log up to the line that has a text.
func (s *serving) until(text string) string {
	s.t.Helper()
	for s.log.Scan() {
		fmt.Fprintln(&s.seen, s.log.Text())
		if strings.Contains(s.log.Text(), text) {
			return s.log.Text()
		}
	}
	s.t.Fatalf("the log ended without %q:\n%s", text, s.seen.String())
	return ""
}

// code reads the log to its end and gives the exit code.
func (s *serving) code() int {
	s.t.Helper()
	for s.log.Scan() {
		fmt.Fprintln(&s.seen, s.log.Text())
	}
	return s.end(s.t)
}

func (s *serving) signal() {
	s.t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
}

func fetch(t *testing.T, url string) (body string, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), answer.StatusCode
}

// A process that serves does what is due, tells of it at its endpoints, and a
// signal while nothing is on ends it with 0.
func TestServeRunsWhatIsDueAndStopsWhenIdle(t *testing.T) {
	r := newRental(t, 61, 12)
	r.schedules(t, hourly+"  nightly: {cron: \"15 2 * * *\", mode: sweep, timezone: Europe/Lisbon}\n")
	s := startServe(t, r, "--listen", "127.0.0.1:0")
	address := "http://" + regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(s.until("msg=listening"))[1]
	begun := s.until(`msg="run begins"`)
	says(t, begun, "schedule=nightly", "mode=sweep", "includes=\"[\\\"hourly\\\"]\"")
	id := regexp.MustCompile(`run=(\S+)`).FindStringSubmatch(begun)[1]
	says(t, s.until(`msg=extract`), "run="+id)
	says(t, s.until(`msg="run ended"`), "run="+id)
	s.until("msg=waiting")
	if body, status := fetch(t, address+"/healthz"); status != http.StatusOK || !strings.Contains(body, `"ok"`) {
		t.Errorf("%d %s", status, body)
	}
	if body, status := fetch(t, address+"/readyz"); status != http.StatusOK || !strings.Contains(body, `"ok"`) {
		t.Errorf("%d %s", status, body)
	}
	body, _ := fetch(t, address+"/metrics")
	says(t, body, `trueup_runs_total{mode="sweep",state="attention"} 1`, `trueup_schedule_overdue{schedule="hourly"} 0`,
		`trueup_schedule_seconds_since_success{schedule="nightly"} `, `trueup_last_extract_read{entity="bookings",system="pms"} `,
		`trueup_last_requests{entity="",system="staybnb"} `, `trueup_last_latency_p95_seconds{entity="",system="pms"} `,
		`trueup_last_retries{entity="",system="pms"} `, `trueup_changes_open{state="planned"} `, `trueup_findings_open{severity="high"} 0`,
		"trueup_store_up 1", "trueup_project_valid 1", "trueup_run_going 0", "# TYPE trueup_runs_total counter")
	if _, status := fetch(t, address+"/"); status != http.StatusNotFound {
		t.Errorf("/ answers %d", status)
	}
	s.signal()
	if code := s.code(); code != exitDone {
		t.Errorf("exit code %d:\n%s", code, s.seen.String())
	}
	for _, secret := range []string{"pms-token-for-tests", "staybnb-key-for-tests"} {
		if strings.Contains(s.seen.String()+body, secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

// A signal in the middle of a run checkpoints it: 130, and the next process goes on
// at once with a run of its own.
func TestServeStopsInTheMiddleOfARunAndGoesOn(t *testing.T) {
	var once sync.Once
	reached, ended := make(chan struct{}), make(chan struct{})
	w, err := world.New(world.Options{Seed: 62, Records: 40, Credentials: testCredentials(),
		Watch: func(world.Request) {
			once.Do(func() { // the answer of the first request waits until the process is gone
				close(reached)
				<-ended
			})
		}})
	if err != nil {
		t.Fatal(err)
	}
	r := newRentalOf(t, w)
	r.schedules(t, hourly)
	s := startServe(t, r)
	<-reached
	s.signal()
	code := s.code()
	close(ended)
	if code != exitInterrupted {
		t.Fatalf("exit code %d:\n%s", code, s.seen.String())
	}
	says(t, s.seen.String(), "interrupted after a checkpoint")
	out := must(t, r.dir, r.env, []int{exitDone}, "query", "--format", "csv", "select state, exit_code from runs")
	says(t, out, "interrupted,130")
	says(t, must(t, r.dir, r.env, []int{exitDone}, "status"), "schedule hourly: incremental, overdue: it never ran")
	s = startServe(t, r)
	s.until(`msg="run ended"`)
	s.until("msg=waiting")
	s.signal()
	if code := s.code(); code != exitDone {
		t.Errorf("exit code %d:\n%s", code, s.seen.String())
	}
	status := must(t, r.dir, r.env, []int{exitDone}, "status")
	if !strings.Contains(status, "schedule hourly: incremental, due ") || strings.Contains(status, "overdue") {
		t.Error(status)
	}
}

// The first signal asks, the second one ends a process that does not listen: here
// it waits for a project file that nobody ever writes.
func TestASecondSignalEndsTheProcessAtOnce(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, t.TempDir(), nil, "--project", fifo, "validate")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // opens once the process reads
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Wait() }()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for n := 0; ; n++ {
		select {
		case <-done:
			status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
			if !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM || n < 2 {
				t.Errorf("after %d signals: %v", n, p.ProcessState)
			}
			return
		case <-again.C:
			if n > 1000 {
				t.Fatal("a thousand signals did not end it")
			}
			_ = p.Process.Signal(syscall.SIGTERM)
		}
	}
}

// lookout is a watch over a rental in this process, at a time of the test's.
func lookout(t *testing.T, r *rental, now func() time.Time) (*watch, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := newCLI(strings.NewReader(""), io.Discard, &log, func(name string) (string, bool) { v, ok := r.with()[name]; return v, ok })
	c.flags = flags{project: filepath.Join(r.dir, "trueup.yaml"), output: "text", logLevel: "info"}
	w := newWatch(c, now)
	if err := w.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, &log
}

func ask(t *testing.T, w *watch, path string) (health, int) {
	t.Helper()
	answer := httptest.NewRecorder()
	w.handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	var h health
	if err := json.Unmarshal(answer.Body.Bytes(), &h); err != nil {
		t.Fatalf("%s: %v in %s", path, err, answer.Body)
	}
	return h, answer.Code
}

// The project file is read again between runs. One that is not valid keeps the old
// one in force, and says so; no secret is in what it says.
func TestServeReadsTheProjectFileAgain(t *testing.T) {
	r := newRental(t, 63, 10)
	r.schedules(t, hourly)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w, log := lookout(t, r, time.Now)
	names := func() (out string) {
		schedules, _, err := w.look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range schedules {
			out += s.Name + " "
		}
		return out
	}
	if got := names(); got != "hourly " {
		t.Errorf("%q", got)
	}
	r.edit(t, func(p string) string { return strings.Replace(p, "hourly:", "every_hour:", 1) })
	if got := names(); got != "every_hour " {
		t.Errorf("%q", got)
	}
	r.edit(t, func(p string) string { return strings.Replace(p, "5 * * * *", "pms-token-for-tests", 1) })
	for range 3 {
		if got := names(); got != "every_hour " {
			t.Errorf("%q", got)
		}
	}
	h, code := ask(t, w, "/healthz")
	if h.Status != "degraded" || code != http.StatusOK || !strings.Contains(fmt.Sprint(h.Reasons), "is no cron line") {
		t.Errorf("%d %+v", code, h)
	}
	if n := strings.Count(log.String(), "cannot be used; the one from before stays in force"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log)
	}
	if strings.Contains(log.String()+fmt.Sprint(h), "pms-token-for-tests") {
		t.Errorf("a secret is told: %s %v", log, h)
	}
	r.edit(t, func(p string) string { return strings.Replace(p, "pms-token-for-tests", "5 * * * *", 1) })
	names()
	if h, _ := ask(t, w, "/healthz"); h.Status != "ok" || !strings.Contains(log.String(), "in force again") {
		t.Errorf("%+v\n%s", h, log)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	w.app = nil
}

// Ready is: the store answers, and every schedule did its work lately.
func TestReadyFollowsTheSchedulesAndTheStore(t *testing.T) {
	r := newRental(t, 64, 10)
	r.schedules(t, hourly)
	now := time.Now()
	w, _ := lookout(t, r, func() time.Time { return now })
	h, code := ask(t, w, "/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(h.Reasons), "hourly has never succeeded") {
		t.Errorf("%d %+v", code, h)
	}
	must(t, r.dir, r.env, []int{exitDone, exitAttention}, "run", "--mode", "sweep")
	now = time.Now()
	if h, code := ask(t, w, "/readyz"); code != http.StatusOK {
		t.Errorf("%d %+v", code, h)
	}
	now = now.Add(3 * time.Hour)
	h, code = ask(t, w, "/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(h.Reasons), "hourly last succeeded at ") {
		t.Errorf("%d %+v", code, h)
	}
	if err := os.Rename(filepath.Join(r.dir, ".trueup", "store"), filepath.Join(r.dir, "away")); err != nil {
		t.Fatal(err)
	}
	h, code = ask(t, w, "/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(fmt.Sprint(h.Reasons), "the store does not answer") {
		t.Errorf("%d %+v", code, h)
	}
}

// Whether the process is up can be told while a store does not answer.
func TestHealthAsksNoStore(t *testing.T) {
	r := newRental(t, 67, 10)
	r.schedules(t, hourly)
	w, _ := lookout(t, r, time.Now)
	w.looking <- struct{}{} // somebody waits for the store
	if h, code := ask(t, w, "/healthz"); code != http.StatusOK || h.Status != "ok" {
		t.Errorf("%d %+v", code, h)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.sight(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-w.looking
}

// A run of somebody else that is on is waited for: it is no failure, and no
// attempt of ours.
func TestServeWaitsForAnotherRun(t *testing.T) {
	r := newRental(t, 68, 10)
	r.edit(t, func(project string) string { return project + "\n" + hourly })
	w, log := lookout(t, r, time.Now)
	other, err := w.app.lake.Acquire(t.Context(), "another", 0)
	if err != nil {
		t.Fatal(err)
	}
	renewing, stop := context.WithCancel(t.Context())
	kept := make(chan error, 1)
	go func() { kept <- other.Keep(renewing) }()
	schedules, past, err := w.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	choice, _ := schedule.Next(schedule.Stands(schedules, past, time.Now()), time.Now())
	if err := w.c.scheduled(t.Context(), w, choice); !errors.Is(err, lake.ErrLeaseHeld) {
		t.Errorf("%v", err)
	}
	says(t, log.String(), "level=INFO msg=\"another run is on; waiting for it\"")
	if strings.Contains(log.String(), "level=ERROR") {
		t.Error(log)
	}
	stop()
	if err := errors.Join(<-kept, other.Release(t.Context())); err != nil {
		t.Error(err)
	}
	if err := w.c.scheduled(t.Context(), w, choice); err != nil {
		t.Error(err)
	}
}

// Another run that did the work meanwhile is seen once the lease is ours.
func TestWhatAnotherRunDidIsNotDoneAgain(t *testing.T) {
	r := newRental(t, 65, 10)
	r.schedules(t, hourly)
	w, log := lookout(t, r, time.Now)
	schedules, past, err := w.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	choice, due := schedule.Next(schedule.Stands(schedules, past, time.Now()), time.Now())
	if !due {
		t.Fatal("nothing is due")
	}
	must(t, r.dir, r.env, []int{exitDone, exitAttention}, "run") // somebody else is faster
	if err := w.c.scheduled(t.Context(), w, choice); err != nil {
		t.Error(err)
	}
	says(t, log.String(), "another run did this meanwhile")
	if _, past, _ = w.look(t.Context()); len(past) != 1 {
		t.Errorf("%d runs", len(past))
	}
}

// serve as a whole leaves no goroutine behind, and says what it cannot do.
func TestServeEndsCleanlyAndRefusesWhatItCannotDo(t *testing.T) {
	r := newRental(t, 66, 10)
	_, errOut, code := here(t, r.dir, r.with(), "serve")
	if code != exitUsage {
		t.Errorf("%d", code)
	}
	says(t, errOut, "has no schedules", "help: ")
	r.schedules(t, hourly)
	_, errOut, code = here(t, r.dir, r.with(), "serve", "--listen", "256.1.1.1:0")
	if code != exitFailed {
		t.Errorf("%d", code)
	}
	says(t, errOut, "listen at 256.1.1.1:0", "help: ", "no run was begun")
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	go func() {
		lines := bufio.NewScanner(read)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "msg=waiting") {
				cancel()
			}
		}
	}()
	env := r.with()
	code = execute(ctx, []string{"--project", filepath.Join(r.dir, "trueup.yaml"), "serve", "--listen", "127.0.0.1:0"}, strings.NewReader(""), io.Discard, write,
		func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	write.Close()
	if code != exitDone {
		t.Errorf("exit code %d", code)
	}
}
