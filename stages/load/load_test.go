package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// world is a bench with one writable system.
type world struct {
	*stagetest.Bench
	sys    *stagetest.System
	entity config.Entity
	stream config.Stream
	fence  func() error
	runs   int
}

func newWorld(t *testing.T, by pipeline.Protocol) *world {
	b := stagetest.New(t)
	write := &config.Write{Create: true, Update: true, Delete: true, Verify: "read", Precondition: by == pipeline.ByPrecondition}
	if by == pipeline.ByIdempotencyKey {
		write.Idempotency = 24 * time.Hour
	}
	stream := config.Stream{System: "pms", Write: write, Extract: config.Extract{PrimaryKey: []string{"id"}, Fields: stagetest.Fields(), Version: "updated_at"}}
	entity := config.Entity{Name: "bookings", Key: []string{"code"}, Streams: []config.Stream{stream},
		Fields: []config.EntityField{{Name: "code", Type: schemas.Type{Kind: schemas.String}}}}
	w := &world{Bench: b, sys: stagetest.NewSystem("pms", b.Clock), entity: entity, stream: stream, fence: func() error { return nil }}
	w.sys.By = by
	w.sys.Put("7", map[string]string{"code": "HM7", "guest": "Ana", "price": "100.00"})
	return w
}

// plan stores a change as reconcile does.
func (w *world) plan(t *testing.T, tenure *lake.Tenure, name string, op pipeline.WriteOp, id string, before, after map[string]string, state string) {
	t.Helper()
	b := delta.NewRows(tables.Changes("bookings"))
	b.Number(schemas.HashKey("HM7")).Text("HM7").Text(name).Text("pms").Text(string(op)).Optional(id).
		Text(document(t, before)).Text(document(t, after)).Text("effect-" + name).Number(1)
	if v, ok := w.version(id); ok {
		b.Number(v)
	} else {
		b.Null()
	}
	b.Null().Number(1).Text(state).Null().Text("plan-1").Number(0).Number(0).Text("run").Time(w.Clock.Now())
	w.put(t, tenure, tables.Changes("bookings"), b)
}

func (w *world) version(id string) (int64, bool) {
	got, err := w.sys.Fetch(context.Background(), []string{id})
	if err != nil || got.Batch.Rows == nil {
		return 0, false
	}
	var v int64
	column := got.Batch.Rows.Schema().FieldIndices(pipeline.ColVersion)[0]
	_, err = fmt.Sscan(got.Batch.Rows.Column(column).ValueStr(0), &v)
	return v, err == nil
}

func document(t *testing.T, v map[string]string) string {
	t.Helper()
	if v == nil {
		v = map[string]string{}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (w *world) put(t *testing.T, tenure *lake.Tenure, table tables.Table, b *delta.Rows) {
	t.Helper()
	rows := b.Batch()
	defer rows.Release()
	writer := w.Writer(tenure)(table)
	if err := writer.Write(rows); err != nil {
		t.Fatal(err)
	}
	files, err := writer.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tenure.Committer("test").Commit(t.Context(), lake.Step{Stage: "test", Add: map[string][]lake.File{table.Name: files}}); err != nil {
		t.Fatal(err)
	}
}

// deps are those of one load.
func (w *world) deps(tenure *lake.Tenure) load.Deps {
	return load.Deps{Lake: w.Lake, Tenure: tenure, Engine: w.Engine, Writer: w.Writer(tenure), Now: w.Clock.Now, Log: w.Log, Fence: func() error { return w.fence() }}
}

func (w *world) request() load.Request {
	w.runs++
	return load.Request{Run: pipeline.RunID(fmt.Sprintf("run-%03d", w.runs)), RunAt: w.Clock.Now(), Entity: w.entity, Stream: w.stream,
		Target: w.sys, PerSecond: 10, Concurrency: 2}
}

func (w *world) load(t *testing.T, tenure *lake.Tenure) load.Result {
	t.Helper()
	r, err := load.Run(t.Context(), w.deps(tenure), w.request())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) settle(t *testing.T) load.Result {
	t.Helper()
	r, err := load.Settle(t.Context(), w.deps(w.Begin(t)), w.request())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) states(t *testing.T) []string {
	t.Helper()
	return w.Query(t, "SELECT change, state, attempt, generation FROM bookings ORDER BY change", tables.Changes("bookings"))
}

func (w *world) journal(t *testing.T) []string {
	t.Helper()
	return w.Query(t, "SELECT kind, coalesce(outcome, '') FROM journal ORDER BY journal.recorded_at, kind", tables.Journal())
}

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

var price = struct{ before, after map[string]string }{map[string]string{"price": "100.00"}, map[string]string{"price": "120.00"}}

func TestAnUpdateIsIntendedSentAndObserved(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	if r := w.load(t, tenure); r.Counts.Applied != 1 || r.Counts.Attention() {
		t.Fatalf("%+v", r)
	}
	want(t, w.states(t), "c1|applied|1|0")
	want(t, w.journal(t), "intent|", "outcome|applied")
	id := pipeline.StreamID{Entity: "bookings", System: "pms"}
	want(t, w.Query(t, "SELECT _id, price::VARCHAR FROM pms", tables.Replica(id, replica.Columns(w.stream.Extract.Fields))), "7|120.00")
	if r := w.load(t, tenure); r.Counts.Sent != 0 {
		t.Fatalf("sent again: %+v", r)
	}
}

// Every way of losing an answer, under every protocol: at most one effect, and
// an outcome in the journal.
func TestALostAnswerIsNeitherSuccessNorFailure(t *testing.T) {
	for _, by := range []pipeline.Protocol{pipeline.ByIdempotencyKey, pipeline.ByPrecondition, pipeline.ByNothing} {
		for _, what := range []stagetest.Fault{stagetest.LostBefore, stagetest.LostAfter} {
			t.Run(fmt.Sprintf("%s, %s", by, what), func(t *testing.T) {
				w := newWorld(t, by)
				w.sys.OnSend = func(n int) stagetest.Fault {
					if n == 1 {
						return what
					}
					return stagetest.Fine
				}
				tenure := w.Begin(t)
				w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
				if r := w.load(t, tenure); r.Counts.Lost != 1 || r.Counts.InDoubt != 0 || r.Counts.Attention() {
					t.Fatalf("a doubt that was settled is none any more: %+v", r.Counts)
				}
				if got := w.sys.Get("7", "price"); got != "120.00" || len(w.sys.Effects) != 1 {
					t.Fatalf("price %s after %v", got, w.sys.Effects)
				}
				if got := w.states(t)[0]; !strings.HasPrefix(got, "c1|applied|") {
					t.Fatal(got)
				}
			})
		}
	}
}

// A delete whose answer was lost, and whose record is gone then, was ours under every
// protocol: as somebody else's it would be news, for which other systems lose the record.
func TestADeleteWithoutAnAnswerIsOurs(t *testing.T) {
	for _, by := range []pipeline.Protocol{pipeline.ByIdempotencyKey, pipeline.ByPrecondition, pipeline.ByNothing} {
		for _, what := range []stagetest.Fault{stagetest.LostBefore, stagetest.LostAfter} {
			t.Run(fmt.Sprintf("%s, %s", by, what), func(t *testing.T) {
				w := newWorld(t, by)
				w.sys.OnSend = func(n int) stagetest.Fault {
					if n == 1 {
						return what
					}
					return stagetest.Fine
				}
				tenure := w.Begin(t)
				w.plan(t, tenure, "c1", pipeline.OpDelete, "7", price.before, nil, tables.ChangeReady)
				if r := w.load(t, tenure); r.Counts.Lost != 1 || r.Counts.Stale != 0 || len(w.sys.Effects) != 1 {
					t.Fatalf("%+v after %v", r.Counts, w.sys.Effects)
				}
				if got := w.states(t)[0]; !strings.HasPrefix(got, "c1|applied|") {
					t.Fatal(got)
				}
			})
		}
	}
}

// A read that denies the record does not tell whether a delete without an answer was
// done. The same key tells: taken for done, a record that still is there would be one
// made anew when it shows up.
func TestADeniedRecordIsNotTakenForDeleted(t *testing.T) {
	w := newWorld(t, pipeline.ByIdempotencyKey)
	w.sys.OnSend = func(n int) stagetest.Fault {
		if n == 1 {
			w.sys.Denied["7"] = true
			return stagetest.LostBefore
		}
		return stagetest.Fine
	}
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpDelete, "7", price.before, nil, tables.ChangeReady)
	if w.load(t, tenure); len(w.sys.Effects) != 1 || w.sys.Get("7", "price") != "-" {
		t.Fatalf("%v, and it is there with price %s", w.sys.Effects, w.sys.Get("7", "price"))
	}
}

// The journal says which generation was looked for and not found: only so can an
// effect be told to be that of the request that was sent after it.
func TestTheJournalTellsTheGenerationThatWasSettled(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	w.sys.OnSend = func(n int) stagetest.Fault {
		if n == 1 {
			return stagetest.LostBefore
		}
		return stagetest.Fine
	}
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.load(t, tenure)
	want(t, w.Query(t, "SELECT kind, generation, coalesce(outcome, '') FROM journal ORDER BY generation, journal.recorded_at, kind", tables.Journal()),
		"intent|0|", "outcome|0|in_doubt", "settled|0|retryable", "intent|1|", "outcome|1|applied")
}

func TestACreateInDoubtIsSearchedAndNeverRepeatedBlindly(t *testing.T) {
	for _, c := range []struct {
		by      pipeline.Protocol
		what    stagetest.Fault
		first   string // its state after the run
		state   string // and after the next one, with what is on its way
		effects int
	}{
		{pipeline.BySearchableKey, stagetest.LostAfter, "in_doubt", "applied", 1},
		{pipeline.BySearchableKey, stagetest.LostBefore, "in_doubt", "applied", 1},
		{pipeline.BySearchableKey, stagetest.LandsLate, "in_doubt", "applied", 1},
		{pipeline.ByUniqueKey, stagetest.LostAfter, "applied", "applied", 1},
		{pipeline.ByIdempotencyKey, stagetest.LostAfter, "applied", "applied", 1},
		{pipeline.ByNothing, stagetest.LostAfter, "held", "held", 1},
		{pipeline.ByNothing, stagetest.LostBefore, "held", "held", 0},
		{pipeline.ByNothing, stagetest.LandsLate, "held", "held", 1},
	} {
		t.Run(fmt.Sprintf("%s, %s", c.by, c.what), func(t *testing.T) {
			w := newWorld(t, c.by)
			w.sys.Remove("7")
			w.sys.OnSend = func(n int) stagetest.Fault {
				if n == 1 {
					return c.what
				}
				return stagetest.Fine
			}
			tenure := w.Begin(t)
			w.plan(t, tenure, "c1", pipeline.OpCreate, "", nil, map[string]string{"code": "HM7", "guest": "Ana"}, tables.ChangeReady)
			w.load(t, tenure)
			if got := w.states(t)[0]; !strings.HasPrefix(got, "c1|"+c.first+"|") {
				t.Fatalf("%s after %v", got, w.sys.Effects)
			}
			w.sys.Land()
			w.Clock.Advance(time.Hour)
			w.settle(t)
			if got := w.states(t)[0]; !strings.HasPrefix(got, "c1|"+c.state+"|") || len(w.sys.Effects) != c.effects {
				t.Fatalf("%s after %v", got, w.sys.Effects)
			}
		})
	}
}

// That a repeat was put off says nothing about what was sent first: the doubt stays,
// or the change would be dropped for a newer one and be done beside it.
func TestARepeatThatIsPutOffLeavesTheDoubt(t *testing.T) {
	w := newWorld(t, pipeline.ByIdempotencyKey)
	w.sys.Remove("7")
	w.sys.OnSend = func(n int) stagetest.Fault {
		switch {
		case n == 1:
			return stagetest.LostAfter
		case n <= 4:
			return stagetest.Busy
		}
		return stagetest.Fine
	}
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpCreate, "", nil, map[string]string{"code": "HM7", "guest": "Ana"}, tables.ChangeReady)
	if r := w.load(t, tenure); r.Counts.InDoubt != 1 || !r.Counts.Attention() {
		t.Fatalf("%+v", r)
	}
	want(t, w.states(t), "c1|in_doubt|4|0")
	if r := w.settle(t); r.Counts.InDoubt != 0 || len(w.sys.Effects) != 1 {
		t.Fatalf("%+v, %v", r, w.sys.Effects)
	}
	if got := w.states(t)[0]; !strings.HasPrefix(got, "c1|applied|") {
		t.Fatal(got)
	}
}

// A process that dies between the intent and the outcome leaves a doubt, which
// the next run settles by a look, not by a second write.
func TestADeadRunsIntentsAreSettled(t *testing.T) {
	w := newWorld(t, pipeline.ByNothing)
	dead := w.Begin(t)
	w.plan(t, dead, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.fence = func() error { return errors.New("the lease is lost") }
	if _, err := load.Run(t.Context(), w.deps(dead), w.request()); err == nil {
		t.Fatal("a fenced send did not end the load")
	}
	want(t, w.states(t), "c1|sent|1|0")
	if w.sys.Sends != 0 {
		t.Fatalf("%d sends behind the fence", w.sys.Sends)
	}
	w.fence = func() error { return nil }
	if r := w.settle(t); r.Counts.Applied != 1 || len(w.sys.Effects) != 1 {
		t.Fatalf("%+v, %v", r, w.sys.Effects)
	}
	want(t, w.states(t), "c1|applied|2|1")
}

func TestAnEditThatNobodyJudgedIsNotReplaced(t *testing.T) {
	for _, by := range []pipeline.Protocol{pipeline.ByPrecondition, pipeline.ByNothing, pipeline.ByIdempotencyKey} {
		t.Run(string(by), func(t *testing.T) {
			w := newWorld(t, by)
			tenure := w.Begin(t)
			w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
			w.sys.Put("7", map[string]string{"price": "90.00"})
			if r := w.load(t, tenure); r.Counts.Stale != 1 {
				t.Fatalf("%+v", r)
			}
			if got := w.sys.Get("7", "price"); got != "90.00" || len(w.sys.Effects) != 0 {
				t.Fatalf("price %s after %v", got, w.sys.Effects)
			}
			if got := w.states(t)[0]; !strings.HasPrefix(got, "c1|failed|") {
				t.Fatal(got)
			}
		})
	}
}

// A request that replaces the whole record carries fields that nobody changed:
// an edit of one of them is not set back, whenever it is made.
func TestAWholeRecordSetsNoOtherEditBack(t *testing.T) {
	for _, c := range []struct {
		edited  int // before this read by ID; 0: before the load
		stale   int64
		effects int
	}{{0, 0, 1}, {1, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprintf("edited before read %d", c.edited), func(t *testing.T) {
			w := newWorld(t, pipeline.ByNothing)
			w.sys.Whole = true
			tenure := w.Begin(t)
			w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
			edit := func() { w.sys.Put("7", map[string]string{"guest": "Zoë"}) }
			if c.edited == 0 {
				edit()
			}
			reads := 0
			w.sys.OnFetch = func(int) {
				if reads++; reads == c.edited {
					edit()
				}
			}
			if r := w.load(t, tenure); r.Counts.Stale != c.stale || r.Counts.Sent != int64(c.effects) {
				t.Fatalf("%+v", r)
			}
			if got := w.sys.Get("7", "guest"); got != "Zoë" || len(w.sys.Effects) != c.effects || reads < 2 {
				t.Fatalf("guest %s after %d reads and %v", got, reads, w.sys.Effects)
			}
			id := pipeline.StreamID{Entity: "bookings", System: "pms"}
			want(t, w.Query(t, "SELECT guest FROM pms", tables.Replica(id, replica.Columns(w.stream.Extract.Fields))), "Zoë")
		})
	}
}

// What crossed the wire counts as sent, also in systems whose answers have no status.
func TestSentCountsWhatCrossedTheWire(t *testing.T) {
	w := newWorld(t, pipeline.ByNothing)
	w.sys.NoStatus = true
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	if r := w.load(t, tenure); r.Counts.Sent != 1 || r.Counts.Applied != 1 {
		t.Fatalf("%+v", r)
	}
}

// A record that does not answer its delete, or the read before it, is not known to
// be gone: it is missing, until a complete listing tells.
func TestADeleteThatIsNotAnsweredProvesNothing(t *testing.T) {
	for _, p := range []pipeline.Protocol{pipeline.ByNothing, pipeline.ByPrecondition} {
		t.Run(string(p), func(t *testing.T) {
			w := newWorld(t, p)
			tenure := w.Begin(t)
			w.plan(t, tenure, "c1", pipeline.OpDelete, "7", map[string]string{"guest": "Ana"}, nil, tables.ChangeReady)
			w.sys.Remove("7")
			if r := w.load(t, tenure); r.Counts.Stale != 1 || r.Counts.AlreadyTrue+r.Counts.Applied != 0 {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// A change belongs to a key: where its record has got another one since, what was
// to be sent is not that record's business.
func TestARecordThatCarriesAnotherKeyByNowIsNotWritten(t *testing.T) {
	w := newWorld(t, pipeline.ByNothing)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.sys.Put("7", map[string]string{"code": "HM99"})
	if r := w.load(t, tenure); r.Counts.Stale != 1 || w.sys.Sends != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestBusyIsSentAgainAndGivenUpForThisRun(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	w.sys.OnSend = func(int) stagetest.Fault { return stagetest.Busy }
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	r := w.load(t, tenure)
	if r.Counts.Waiting != 1 || r.Err == nil || len(w.sys.Effects) != 0 {
		t.Fatalf("%+v", r)
	}
	want(t, w.states(t), "c1|ready|4|0")
	intents := w.Query(t, "SELECT count(*) FROM journal WHERE kind = 'intent'", tables.Journal())
	want(t, intents, fmt.Sprint(w.sys.Sends)) // every send has an intent
}

func TestARefusalEndsAChange(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	w.sys.OnSend = func(int) stagetest.Fault { return stagetest.Refuse }
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	if r := w.load(t, tenure); r.Counts.Rejected != 1 || w.sys.Sends != 1 {
		t.Fatalf("%+v", r)
	}
	want(t, w.states(t), "c1|failed|1|0")
}

func TestAPlannedChangeWaitsForItsApproval(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangePlanned)
	if w.load(t, tenure); w.sys.Sends != 0 {
		t.Fatal("sent without an approval")
	}
	w.decide(t, tenure, "d1", "approve", "effect-other", time.Hour)
	if w.load(t, tenure); w.sys.Sends != 0 {
		t.Fatal("sent under an approval of something else")
	}
	w.decide(t, tenure, "d2", "approve", "effect-c1", -time.Hour)
	if w.load(t, tenure); w.sys.Sends != 0 {
		t.Fatal("sent under an approval that is over")
	}
	w.decide(t, tenure, "d3", "approve", "effect-c1", time.Hour)
	if r := w.load(t, tenure); r.Counts.Applied != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestARejectedChangeIsNotSent(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.decide(t, tenure, "d1", "reject", "effect-c1", time.Hour)
	if w.load(t, tenure); w.sys.Sends != 0 {
		t.Fatal("sent against a rejection")
	}
}

func (w *world) decide(t *testing.T, tenure *lake.Tenure, id, kind, effect string, life time.Duration) {
	t.Helper()
	now := w.Clock.Now()
	b := delta.NewRows(tables.Decisions())
	b.Text(id).Text(kind).Text("plan-1").Text(`["` + effect + `"]`).Text("{}").Text("ana").Null().Time(now).Time(now.Add(life)).Null()
	w.put(t, tenure, tables.Decisions(), b)
}

// A writer that was overtaken cannot commit an intent, so it cannot send.
func TestAFencedLoadSendsNothing(t *testing.T) {
	w := newWorld(t, pipeline.ByPrecondition)
	old := w.Begin(t)
	w.plan(t, old, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.Begin(t)
	_, err := load.Run(t.Context(), w.deps(old), w.request())
	if !lake.Fenced(err) || w.sys.Sends != 0 {
		t.Fatalf("%v, %d sends", err, w.sys.Sends)
	}
}

func TestAnIntentHoldsTheExactRequest(t *testing.T) {
	w := newWorld(t, pipeline.ByIdempotencyKey)
	tenure := w.Begin(t)
	w.plan(t, tenure, "c1", pipeline.OpUpdate, "7", price.before, price.after, tables.ChangeReady)
	w.load(t, tenure)
	got := w.Query(t, "SELECT request->>'body', idempotency_key LIKE 'trueup-%' FROM journal WHERE kind = 'intent'", tables.Journal())
	want(t, got, `{"price":"120.00"}|true`)
}
