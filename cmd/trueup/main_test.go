package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// beTrueup makes this test binary behave as the program, so that tests can start
// and kill real processes without building a second binary.
const beTrueup = "TRUEUP_TEST_BE_TRUEUP"

func TestMain(m *testing.M) {
	worker := len(os.Args) > 1 && os.Args[1] == "query-worker" // started with an empty environment
	if os.Getenv(beTrueup) == "" && !worker {
		os.Exit(m.Run())
	}
	os.Exit(program())
}

// process is one run of the program.
type process struct {
	*exec.Cmd
	out bytes.Buffer
}

// newProcess prepares the program with arguments, in a folder, with an environment of its own.
func newProcess(t testing.TB, dir string, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(t.Context(), self, args...)}
	p.Dir = dir
	p.Env = append([]string{beTrueup + "=1", "HOME=" + dir, "TMPDIR=" + os.TempDir()}, env...)
	p.Stdout, p.Stderr = &p.out, &p.out
	return p
}

// end waits for a started process and gives its exit code; -1: it was killed.
func (p *process) end(t testing.TB) int {
	t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// trueup runs the program to its end.
func trueup(t testing.TB, dir string, env []string, args ...string) (output string, code int) {
	t.Helper()
	p := newProcess(t, dir, env, args...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	code = p.end(t)
	return p.out.String(), code
}

// must runs the program and fails unless it ends with one of the codes.
func must(t testing.TB, dir string, env []string, codes []int, args ...string) string {
	t.Helper()
	out, code := trueup(t, dir, env, args...)
	for _, c := range codes {
		if c == code {
			return out
		}
	}
	t.Fatalf("trueup %s ended with %d:\n%s", strings.Join(args, " "), code, out)
	return ""
}
