package lake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// trip is what happens to one operation of a scenario.
type trip uint8

const (
	crashBefore trip = iota // it did not happen, and the process dies
	crashAfter              // it happened, and the process dies
	lostAnswer              // it happened, and nobody is told
	lostRequest             // it did not happen, and nobody is told
	trips
)

// scenario is a project's whole life in small: it makes the lake, reads ten rows
// in two partitions, decides, compacts and collects, and may be started again at
// any time. It takes all that it knows from the lake.
func scenario(p *process) error {
	if err := begin(p); err != nil {
		return err
	}
	t, err := p.lake.Begin(p.ctx, Opening{Run: "r"})
	if err != nil {
		return err
	}
	c, s := t.Committer("c"), t.Start()
	for {
		part := ""
		for _, candidate := range []string{"p0", "p1"} {
			if n, err := p.checkpoint(p.ctx, s, candidate); err != nil {
				return err
			} else if n < 3 && part == "" {
				part = candidate
			}
		}
		if part == "" {
			break
		}
		e, err := p.extractNext(s, t.Epoch(), part, 1)
		if err != nil {
			return err
		}
		if s, err = c.Commit(p.ctx, e.step); err != nil {
			return err
		}
	}
	golden, err := p.rows(p.ctx, s, tGolden)
	if err != nil {
		return err
	}
	if len(golden) == 0 {
		e, err := p.reconcile(s, t.Epoch())
		if err != nil {
			return err
		}
		if s, err = c.Commit(p.ctx, e.step); err != nil {
			return err
		}
	}
	if err := p.compact(s, tReplica); err != nil {
		return err
	}
	_, err = p.lake.Collect(p.ctx, Collection{Keep: 2})
	return err
}

// journey plays the scenario, starting again after a crash, with one operation
// going wrong, and gives the operations of the first life and the final tables.
func journey(t *testing.T, at int, how trip) (ops int, tables string) {
	w := newWorld(settings{seed: 1, ops: 1 << 30, change: 1, ttl: time.Hour})
	w.trip = func(a *actor, op *operation, n int) error {
		if n != at {
			return op.do()
		}
		if how == crashAfter || how == lostAnswer {
			_ = op.do()
		}
		if how == crashBefore || how == crashAfter {
			a.crashed = true
			a.cancel()
			return errCrashed
		}
		if !op.write { // a read without an answer
			return fault.New(fault.Transient, op.name, errors.New("no answer"))
		}
		return fault.New(fault.Unknown, op.name, errors.New("no answer"))
	}
	done := false
	w.spawn("p", 1, 3, func(p *process) (err error) {
		for try := 0; try < 3 && !done && !p.a.crashed; try++ { // an error ends a run, not the process
			err = scenario(p)
			done = err == nil
		}
		return err
	})
	w.run()
	if w.model.broken != "" || !done {
		t.Fatalf("operation %d, trip %d: done %v: %s", at, how, done, w.story())
	}
	return w.operations, render(w.model.head())
}

// render is the state of the tables without what differs between two runs: IDs,
// epochs, places.
func render(e *entry) string {
	text := ""
	for _, table := range slices.Sorted(maps.Keys(e.rows)) {
		for _, r := range e.rows[table] {
			text += fmt.Sprintln(table, r.P, r.N)
		}
	}
	return text
}

// TestEveryCrashOfARunIsResumed: whichever operation of the store is the one at
// which the process dies, or whose answer is lost, running again ends in the
// same tables as a run to which nothing happened.
func TestEveryCrashOfARunIsResumed(t *testing.T) {
	ops, want := journey(t, -1, 0)
	if ops < 50 {
		t.Fatalf("the scenario has only %d operations", ops)
	}
	for at := range ops {
		for how := range trips {
			if _, got := journey(t, at, how); got != want {
				t.Fatalf("operation %d of %d, trip %d ends in\n%s\nexpected\n%s", at, ops, how, got, want)
			}
		}
	}
}
