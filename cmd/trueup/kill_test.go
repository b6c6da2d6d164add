package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/story"
	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// kills is how many moments of a run are tried.
const kills = 50

// rental is a sandbox and a project folder for it.
type rental struct {
	world *world.World
	dir   string
	env   []string
}

// newRental makes a small world with its project; leases and requests are short,
// since a run waits out those of a dead one.
func newRental(t *testing.T, seed uint64, records int) *rental {
	t.Helper()
	w, err := world.New(world.Options{Seed: seed, Records: records, Credentials: testCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	return newRentalOf(t, w)
}

// testCredentials are those of the small world's systems.
func testCredentials() map[string]string {
	return map[string]string{world.PMS: "pms-token-for-tests", world.Staybnb: "staybnb-key-for-tests"}
}

// newRentalOf makes the project of a world whose tokens are those of newRental.
func newRentalOf(t *testing.T, w *world.World) *rental {
	t.Helper()
	servers, err := w.Serve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers.Close() })
	r := &rental{world: w, dir: t.TempDir(), env: servers.Env()}
	project := bytes.Replace(story.Bookings(), []byte("systems:\n"), []byte("lease: 1s\n\nsystems:\n"), 1)
	project = bytes.ReplaceAll(project, []byte("timeout: 10s"), []byte("timeout: 700ms"))
	if err := os.WriteFile(filepath.Join(r.dir, "trueup.yaml"), project, 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, r.dir, r.env, []int{exitDone}, "init")
	return r
}

func (r *rental) runArgs(mode string) []string {
	return []string{"run", "--mode", mode, "--yes", "--progress", "none", "--run-at", r.world.Now().UTC().Format(time.RFC3339)}
}

// run does a whole run; something may be left for a person. On a busy machine a
// short lease can be lost, and then the run is begun again, as people would.
func (r *rental) run(t *testing.T, mode string) string {
	t.Helper()
	for range 5 {
		out, code := trueup(t, r.dir, r.env, r.runArgs(mode)...)
		if code == exitDone || code == exitAttention {
			return out
		}
		if !strings.Contains(out, "the lease is lost") {
			t.Fatalf("trueup run ended with %d:\n%s", code, out)
		}
	}
	t.Fatal("five runs in a row lost their lease")
	return ""
}

// rest runs until a run sends nothing.
func (r *rental) rest(t *testing.T) {
	t.Helper()
	for range 6 {
		before := len(r.world.Effects())
		r.world.Advance(time.Hour)
		out := r.run(t, "sweep")
		if len(r.world.Effects()) == before && !strings.Contains(out, "put off, ") {
			return
		}
	}
	t.Fatal("the systems do not come to rest")
}

// A process that is killed at any moment leaves a state from which the next run
// goes on: the same contents of both systems, and no effect twice.
func TestKilledAtRandomMoments(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a printed seed
	r := newRental(t, seed, 40)
	began := time.Now()
	r.run(t, "sweep")
	whole := time.Since(began)
	killed := 0
	for i := range kills {
		r.world.Advance(time.Hour)
		if _, err := r.world.Live(time.Hour, 6, world.Mix{}); err != nil {
			t.Fatal(err)
		}
		mode := []string{"incremental", "sweep"}[random.IntN(2)]
		p := newProcess(t, r.dir, r.env, r.runArgs(mode)...)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(whole))), func() { _ = p.Process.Signal(syscall.SIGKILL) })
		if p.end(t) == -1 {
			killed++
		}
		timer.Stop()
		out := r.run(t, "incremental")
		if t.Failed() {
			t.Fatalf("kill %d: %s", i, out)
		}
	}
	r.rest(t)
	report := world.Verify(r.world, world.VerifyOptions{})
	t.Logf("%d of %d runs were killed before they ended\n%s", killed, kills, report)
	if !report.OK() {
		t.Fatal("the proof fails")
	}
	if killed < kills/4 {
		t.Fatalf("only %d of %d runs were killed: the moments miss the run", killed, kills)
	}
	golden := must(t, r.dir, r.env, []int{exitDone}, "query", "--format", "csv",
		"select count(*) filter (_live) as live, count(distinct _key) = count(*) as one_each from golden_bookings")
	if want := fmt.Sprintf("%d,true", len(r.world.Records(world.PMS))); !strings.Contains(golden, want) {
		t.Logf("golden: %s; the property-management system ever held %s", golden, want)
	}
}
