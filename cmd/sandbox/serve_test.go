package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs the command until the returned stop is called, which gives its error.
func run(t *testing.T, args ...string) (at map[string]string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	cmd := rootCommand()
	cmd.SetArgs(append([]string{"serve"}, args...))
	cmd.SetOut(in)
	cmd.SetErr(io.Discard)
	done := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		in.Close()
		done <- err
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &at)
	}
	if err != nil {
		cancel()
		t.Fatalf("%v, %v: %s", err, <-done, line)
	}
	return at, func() error { cancel(); return <-done }
}

func request(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %v: %s", method, url, resp.StatusCode, err, raw)
	}
	return string(raw)
}

func TestServePrintsItsAddressesAndStopsWhenAsked(t *testing.T) {
	at, stop := run(t, "--records", "5", "--now", "2027-01-01T00:00:00Z", "--rough", "0.1")
	if got := request(t, http.MethodGet, at[world.Admin]+"/clock", ""); got != `{"now":"2027-01-01T00:00:00Z"}`+"\n" {
		t.Errorf("clock: %s", got)
	}
	for _, url := range []string{at[world.PMS], at[world.Staybnb]} {
		if !strings.HasPrefix(url, "http://127.0.0.1:") {
			t.Errorf("it listens at %q", url)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestServeContinuesTheWorldOfItsJournal(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "world.jsonl")
	var last string
	for i := range 3 {
		at, stop := run(t, "--records", "20", "--journal", journal)
		records := request(t, http.MethodGet, at[world.Admin]+"/truth/records", "")
		if i > 0 && records != last {
			t.Fatalf("the world of the journal is another one:\n%s\n%s", last, records)
		}
		request(t, http.MethodPost, at[world.Admin]+"/day", `{"edits":10}`)
		last = request(t, http.MethodGet, at[world.Admin]+"/truth/records", "")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		tear(t, journal)
	}
}

// tear leaves half a line at the end of the journal, as a kill would.
func tear(t *testing.T, journal string) {
	t.Helper()
	f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(`{"clock":"20`); err != nil {
		t.Fatal(err)
	}
}

func TestServeRefusesWhatItCannotDo(t *testing.T) {
	for _, args := range [][]string{{"--now", "soon"}, {"--listen", "pms=256.0.0.1:0"}, {"--listen", "tidy=127.0.0.1:0"}, {"--rough", "0.1", "--harsh", "0.1"}, {"--journal", t.TempDir()}, {"--rough", "2"}, {"x"}} {
		cmd := rootCommand()
		cmd.SetArgs(append([]string{"serve"}, args...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}
