package story

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// needsPerson is the exit code of a command that did its work and found
// something for a person.
const needsPerson = 3

// ended is how a child process ended.
type ended struct {
	text   string // what it said on standard output
	code   int
	killed bool
	took   time.Duration
}

// trueup runs the program and waits for it. An exit code that tells of a failure
// is an error that holds what the program said.
func (t *teller) trueup(ctx context.Context, args ...string) (ended, error) {
	return t.start(ctx, args, func(func()) {})
}

// start runs the program. arm gets what kills it and waits until it is dead.
func (t *teller) start(ctx context.Context, args []string, arm func(kill func())) (ended, error) {
	cmd := exec.CommandContext(ctx, t.Program, append(slices.Clone(args), "--project", t.project, "--progress", "none")...) //nolint:gosec // G204: the caller's own program
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.Env = slices.Concat(t.Env, t.servers.Env())
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return ended{}, fmt.Errorf("start %s: %w", t.Program, err)
	}
	dead := make(chan struct{})
	var killed atomic.Bool
	arm(func() {
		killed.Store(true)
		_ = cmd.Process.Kill() // it fails where the process ended by itself, which is as good
		<-dead
	})
	err := cmd.Wait()
	close(dead)
	t.wire.disarm()
	e := ended{text: out.String(), code: cmd.ProcessState.ExitCode(), killed: killed.Load() && cmd.ProcessState.ExitCode() == -1, took: time.Since(began)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return e, ctx.Err()
	case err != nil && !errors.As(err, &exit):
		return e, fmt.Errorf("run trueup %s: %w", strings.Join(args, " "), err)
	case e.code != 0 && e.code != needsPerson && !e.killed:
		return e, fmt.Errorf("trueup %s ended with exit code %d:\n%s%s", strings.Join(args, " "), e.code, out.String(), errOut.String())
	}
	return e, nil
}

// run is `trueup run` at the world's time.
func (t *teller) run(ctx context.Context, args ...string) (ended, error) {
	return t.trueup(ctx, t.at("run", args...)...)
}

// at adds the world's clock to a command.
func (t *teller) at(verb string, args ...string) []string {
	return append(append([]string{verb}, args...), "--run-at", t.world.Now().Format(time.RFC3339))
}

// command prints a command line.
func (t *teller) command(args ...string) { t.say("$ trueup %s", strings.Join(args, " ")) }

// tripwire does something at the n-th request that had an effect, before its
// answer goes out. Safe for concurrent use.
type tripwire struct {
	mu   sync.Mutex
	left int
	do   func(world.Request)
}

// arm sets the wire for the n-th effect from now.
func (w *tripwire) arm(n int, do func(world.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.do = n, do
}

func (w *tripwire) disarm() { w.arm(0, nil) }

// request is told of every request of the world.
func (w *tripwire) request(r world.Request) {
	if r.Effect == 0 {
		return
	}
	if do := w.step(); do != nil {
		do(r)
	}
}

func (w *tripwire) step() func(world.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 {
		return nil
	}
	if w.left--; w.left > 0 {
		return nil
	}
	return w.do
}
