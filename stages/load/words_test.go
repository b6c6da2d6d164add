package load_test

import (
	"context"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// desk is a system beside which a person sits, who says something when the n-th
// request is made.
type desk struct {
	*stagetest.System
	says func(n int)
	made int
}

func (d *desk) Prepare(w pipeline.Write) (pipeline.Request, error) {
	d.made++
	d.says(d.made)
	return d.System.Prepare(w)
}

func TestTheLatestWordCounts(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.decide(t, tenure, "d1", "approve", "effect-c1", time.Hour)
	w.Clock.Advance(time.Minute)
	w.decide(t, tenure, "d2", "reject", "effect-c1", time.Hour)
	if w.load(t, tenure); w.sys.Sends != 0 {
		t.Fatal("sent against the latest word")
	}
	w.Clock.Advance(time.Minute)
	w.decide(t, tenure, "d3", "approve", "effect-c1", time.Hour)
	if r := w.load(t, tenure); r.Counts.Applied != 1 {
		t.Fatalf("what was approved after its rejection: %+v", r)
	}
}

// The person's word lands between the moment when the queue was read and the one when
// the intents land: right before a batch, and in the middle of its making.
func TestARejectionDuringALoadIsHeeded(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int // the request that is being made when the word falls
		sent int // what is on its way, or over, by then
	}{
		{"while its own batch is made", 1, 0},
		{"while a batch before it is made", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, pipeline.ByPrecondition)
			tenure := w.Begin(t)
			w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
			w.Clock.Advance(time.Second)
			w.sys.Put("8", map[string]string{"code": "HM8", "guest": "Bo", "price": "100.00"})
			w.plan(t, tenure, "c2", pipeline.OpUpdate, "8", price.before, price.after, tables.ChangeReady)
			door := &desk{System: w.sys, says: func(n int) {
				if n == c.at {
					w.decide(t, tenure, "d1", "reject", "effect-c1", time.Hour)
					w.decide(t, tenure, "d2", "reject", "effect-c2", time.Hour)
				}
			}}
			request := w.request()
			request.Target, request.PerSecond = door, 0.5 // a batch is one write
			before := w.sys.Sends
			r, err := load.Run(t.Context(), w.deps(tenure), request)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.sys.Sends - before; got != c.sent || r.Counts.Forbidden != int64(2-c.sent) {
				t.Fatalf("%d sent, %+v", got, r.Counts)
			}
			journal := w.Query(t, "SELECT kind, count(*) FROM journal GROUP BY kind ORDER BY kind", tables.Journal())
			states := w.Query(t, "SELECT change, state, attempt FROM bookings ORDER BY change", tables.Changes("bookings"))
			if c.sent == 0 {
				want(t, journal)
				want(t, states, "c1|ready|0", "c2|ready|0")
				return
			}
			want(t, journal, "intent|1", "outcome|1")
			want(t, states, "c1|applied|1", "c2|ready|0")
		})
	}
}

// A doubt of which a person said "no" is not repeated, whatever makes that safe: it
// may not have happened. It stays a doubt.
func TestARejectedDoubtIsNotSentAgain(t *testing.T) {
	w := newWorld(t, pipeline.ByIdempotencyKey)
	w.sys.NoFetch = true
	w.sys.OnSend = func(int) stagetest.Fault { return stagetest.LostBefore }
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	if r := w.load(t, tenure); r.Counts.InDoubt != 1 {
		t.Fatalf("%+v", r)
	}
	w.sys.OnSend = nil
	sends := w.sys.Sends
	w.decide(t, tenure, "d1", "reject", "effect-c1", time.Hour)
	if r := w.settle(t); w.sys.Sends != sends || r.Counts.InDoubt != 1 || r.Counts.Forbidden != 1 {
		t.Fatalf("%d sends more, %+v", w.sys.Sends-sends, r)
	}
	w.Clock.Advance(time.Minute)
	w.decide(t, w.Begin(t), "d2", "approve", "effect-c1", time.Hour)
	if r := w.settle(t); r.Counts.Applied != 1 {
		t.Fatalf("%+v", r)
	}
}

// A change that is ready because of an approval is not sent once that is over. One
// that was reconciled since is ready by itself.
func TestAnApprovalThatIsOverMakesNothingReady(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	tenure := w.Begin(t)
	w.decide(t, tenure, "d1", "approve", "effect-c1", time.Hour)
	w.reconciled(t, tenure)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.Clock.Advance(2 * time.Hour)
	if w.load(t, tenure); w.sys.Sends != 0 {
		t.Fatal("sent under an approval that is over")
	}
	w.reconciled(t, tenure)
	if r := w.load(t, tenure); r.Counts.Applied != 1 {
		t.Fatalf("what is ready by itself: %+v", r)
	}
}

// reconciled stores where a reconcile of this moment stood.
func (w *world) reconciled(t *testing.T, tenure *lake.Tenure) {
	t.Helper()
	b := delta.NewRows(tables.Checkpoints())
	b.Text(tables.CheckpointWatermark).Text("bookings").Text("").Text("reconcile").Null().Number(0).Null().Null().
		Null().Text("joined").Null().Null().Null().Null().Text("project").Number(1).Text("run").Time(w.Clock.Now())
	w.put(t, tenure, tables.Checkpoints(), b)
}

// A person who decides again and again does not keep a load from its end.
func TestALoadGoesOnWhileAPersonDecides(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	deps := w.deps(tenure)
	writer, words := deps.Writer, 0
	deps.Writer = func(table tables.Table) *delta.Writer {
		if table.Name == tables.Journal().Name && words < 3 {
			words++
			w.decide(t, tenure, "d"+string(rune('0'+words)), "reject", "effect-other", time.Hour)
		}
		return writer(table)
	}
	r, err := load.Run(context.WithoutCancel(t.Context()), deps, w.request())
	if err != nil || r.Counts.Applied != 1 || words != 3 {
		t.Fatalf("%v, %+v after %d words", err, r, words)
	}
	want(t, w.states(t), "c1|applied|1|0")
}
