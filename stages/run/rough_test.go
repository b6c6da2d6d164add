package run_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/run"
)

// The environment of the rough worlds: how many, or the one seed to repeat.
const (
	envWorlds = "TRUEUP_WORLDS"     // how many; default 5
	envWorld  = "TRUEUP_WORLD_SEED" // only this one
)

// roughWorlds are the seeds of this run of the test.
func roughWorlds(t *testing.T) []uint64 {
	t.Helper()
	if text := os.Getenv(envWorld); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		return []uint64{seed}
	}
	n := 5
	if text := os.Getenv(envWorlds); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(t, err)
	}
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = uint64(1000 + i)
	}
	return seeds
}

// Whatever the systems do while people work in both, and wherever processes die,
// once all is well again and people rest, a few runs make every record agree,
// nothing was lost, done twice or written over unseen, and then nothing is sent.
func TestRoughWorldsComeToRest(t *testing.T) {
	t.Parallel()
	for _, seed := range roughWorlds(t) {
		t.Run(fmt.Sprintf("%s=%d", envWorld, seed), func(t *testing.T) {
			if problem := roughWorld(t, seed); problem != "" {
				t.Error(problem)
			}
		})
	}
}

// riskyRun is a run whose process may die on the way. Nobody comes to repair it: the
// next hour's run does.
func (h *house) riskyRun(mode pipeline.Mode, r *rand.Rand) string {
	h.t.Helper()
	h.Advance(time.Hour)
	if r.IntN(3) == 0 {
		h.hazard.expect(draw([2]int{120, 12}, r))
	}
	defer h.hazard.expect()
	before := h.hazard.struck()
	var result run.Result
	err := h.life(func(p *process) (err error) {
		result, err = p.run(mode)
		return err
	})
	if err != nil && h.hazard.struck() > before {
		return "died: " + figures(result)
	}
	must(h.t, err)
	return figures(result)
}

// rough throws dice of their own for each system, so that what happens in one does
// not hang on how requests to the two interleave.
func rough(rate float64) []world.Fault {
	var all []world.Fault
	for _, system := range []string{world.PMS, world.Staybnb} {
		for _, f := range world.Rough(rate) {
			f.System = system
			all = append(all, f)
		}
	}
	return all
}

func roughWorld(t *testing.T, seed uint64) string {
	h := newHouse(t, setup{ttl: 6 * time.Hour, world: world.Options{Seed: seed, Records: 30}, edit: func(project string) string {
		return strings.ReplaceAll(project, "concurrency: 4", "concurrency: 1") // so that a seed tells nearly the whole story
	}})
	mode := func(i int) pipeline.Mode {
		if i%3 == 0 {
			return pipeline.Sweep
		}
		return pipeline.Incremental
	}
	h.hourly(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("decision-1") }))
	h.hourly(pipeline.Incremental)
	must(t, h.SetFaults(rough(0.02*float64(1+seed%4))...))
	r := rand.New(rand.NewPCG(seed, 1))
	var story []string
	for i := range 5 {
		_, err := h.Live(8*time.Hour, 6, world.Mix{})
		must(t, err)
		story = append(story, h.riskyRun(mode(i+1), r))
	}
	must(t, h.SetFaults())
	for i := 0; ; i++ {
		if seed%2 == 0 {
			h.Advance(25 * time.Hour) // longer than idempotency keys are kept
		}
		result := h.hourly(mode(i))
		story = append(story, figures(result))
		if sent(result) == 0 && i > 0 {
			break
		}
		if i == 5 {
			return "still sending:\n" + strings.Join(story, "\n")
		}
	}
	end := h.look()
	report := world.Verify(h.World, world.VerifyOptions{Known: end.known})
	t.Logf("%d runs, %d edits, %v faults, %d known differences", len(story), report.Edits.Total, report.Faults, len(end.known))
	if problem := h.proof(end); problem != "" {
		return strings.Join(story, "\n") + "\n" + problem + "\nknown: " + fmt.Sprint(end.known) + "\nopen: " + strings.Join(end.Open, "\n")
	}
	return ""
}
