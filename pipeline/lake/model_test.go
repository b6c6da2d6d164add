package lake

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var soak = flag.Int("lake.soak", 0, "interleavings of the model to run beside the usual ones")

// draw makes the settings of a world out of a seed.
func draw(seed uint64, m mutation) settings {
	r := rand.New(rand.NewPCG(seed, 3))
	return settings{
		seed:    seed,
		mutant:  m,
		faults:  []float64{0, 0.03, 0.08, 0.15}[r.IntN(4)],
		crashes: []float64{0, 0.1, 0.3}[r.IntN(3)],
		change:  []float64{1, 0.3, 0.1, 0.03}[r.IntN(4)],
		ops:     []int{300, 600}[r.IntN(2)],
		ttl:     []time.Duration{500 * time.Millisecond, 3 * time.Second}[r.IntN(2)],
	}
}

// play runs one world to its end and gives the invariant that broke, or "".
func play(s settings) *world {
	w := newWorld(s)
	w.spawn("init1", 1, 2, begin)
	w.spawn("init2", 1, 2, begin)
	w.run()
	w.spawn("run1", 1, 3, run)
	w.spawn("run2", 1, 3, run)
	w.spawn("attempt", 1, 2, attempt)
	w.spawn("person", 1, 3, person(map[string]bool{}))
	w.spawn("compactor1", 1, 2, compactor)
	w.spawn("compactor2", 0.8, 2, compactor)
	w.spawn("collector1", 1, 2, collector)
	w.spawn("collector2", 1, 2, collector)
	w.spawn("reader", 0.5, 2, reader)
	w.run()
	if w.model.broken != "" {
		return w
	}
	w.quiet = true
	w.spawn("survivor", 1, 1, survivor)
	w.run()
	return w
}

func (w *world) story() string {
	last := w.trace[max(0, len(w.trace)-60):]
	return fmt.Sprintf("seed %d: %s\n  %s", w.seed, w.model.broken, strings.Join(last, "\n  "))
}

// TestEveryInterleavingKeepsTheInvariants is the model check: rows and
// checkpoints together, nothing lost or doubled, a fenced run commits nothing,
// no file that a commit could still name is collected, every committed file is
// readable, the order of observation is stable.
func TestEveryInterleavingKeepsTheInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		for range 4 {
			s := draw(rapid.Uint64().Draw(rt, "seed"), faithful)
			if w := play(s); w.model.broken != "" {
				rt.Fatal(w.story())
			}
		}
	})
	for i := range *soak {
		if w := play(draw(uint64(i), faithful)); w.model.broken != "" {
			t.Fatal(w.story())
		}
	}
}

// TestASeedIsOneInterleaving: what a seed found can be found again.
func TestASeedIsOneInterleaving(t *testing.T) {
	for seed := range uint64(10) {
		one, other := play(draw(seed, faithful)), play(draw(seed, faithful))
		if !slices.Equal(one.trace, other.trace) {
			t.Fatalf("seed %d gave two stories", seed)
		}
	}
}

// TestTheModelReachesItsCorners: a check that never meets a late commit below
// the horizon, a fenced run or a pinned commit proves nothing about them.
func TestTheModelReachesItsCorners(t *testing.T) {
	counts := map[string]int{}
	for seed := range uint64(150) {
		w := play(draw(seed, faithful))
		if w.model.broken != "" {
			t.Fatal(w.story())
		}
		for what, n := range w.model.counts {
			counts[what] += n
		}
	}
	for what, least := range map[string]int{
		"commits": 2000, "tenures": 300, "compactions": 100, "decisions": 100, "groups": 30,
		"commits that landed below the horizon": 3, "files deleted": 1000, "commits deleted": 1000,
		"attempts that were told that nothing landed": 100, "reads of a pinned commit below the horizon": 5,
	} {
		if counts[what] < least {
			t.Errorf("%s: %d, expected at least %d", what, counts[what], least)
		}
	}
}

const (
	faithful     mutation = 0
	lastMutation          = decisionNotLookedFor
)

// names are the mutations as they are spoken of.
var names = map[mutation]string{
	cleanupAfterUnknown:     "files are cleaned up after a put without an answer",
	conflictIsLost:          "409 is taken for a lost race",
	takenIsLost:             "412 is taken for lost without a look",
	noHorizonAfterDone:      "done is believed without the horizon",
	noHorizonAfterReading:   "the log is believed without reading the horizon after it",
	headFallsBack:           "a head that cannot be read is the one before",
	newNameAfterUnknown:     "a put without an answer is made anew",
	decisionRebased:         "decisions are rebased",
	staleParent:             "a step that lost stands on the old head's tables",
	epochNotChecked:         "the epoch is not checked on rebase",
	openTrustsEpoch:         "an open is known by its epoch's number",
	stepsNotCarried:         "steps are not carried over",
	deadInputs:              "a compaction is rebased with dead inputs",
	gapsAllowed:             "a compaction leaves gaps",
	placeNotInherited:       "a compacted file takes its own commit's place",
	groupAsWhole:            "a group is judged as a whole",
	checkDropped:            "the checkpoint's precondition is dropped",
	writerFenceDropped:      "the writer fence is dropped",
	olderFileKept:           "a file of an older epoch is not written again",
	horizonBlind:            "the horizon is swapped blindly",
	horizonUnread:           "the horizon is not read again without an answer",
	pinsIgnored:             "pins are ignored",
	pinDeadAtOnce:           "a pin is dead when it was seen once",
	namedBeforeListing:      "names are read before the files are listed",
	currentEpochCollected:   "files of the current epoch are collected",
	readerSkipsHorizon:      "a reader does not read the horizon after its pin",
	lateReaderGoesOn:        "a reader that renewed too late goes on",
	collectorStopsAtNothing: "a collector goes on over what it cannot read",
	decisionNotLookedFor:    "a decision is put again without looking for its ID",
}

// TestEveryMutationIsCaught leaves out one rule of the protocol after the other:
// each time the model must notice within a bounded number of interleavings.
func TestEveryMutationIsCaught(t *testing.T) {
	for m := faithful + 1; m <= lastMutation; m++ {
		t.Run(names[m], func(t *testing.T) {
			for seed := range uint64(5000) {
				if w := play(draw(seed, m)); w.model.broken != "" {
					t.Logf("seed %d: %s", seed, w.model.broken)
					return
				}
			}
			t.Error("no interleaving broke an invariant: the rule is not needed, or the model does not see it")
		})
	}
	if len(names) != int(lastMutation) {
		t.Errorf("%d mutations have names, there are %d", len(names), lastMutation)
	}
}
