package load_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// batches is the small system with a door for many writes at once. A batch with a
// write of price poison is refused whole.
type batches struct {
	*stagetest.System
	limit  int
	before func(batch int) // of each batch, once the fence was asked; may be nil
	fail   map[int]fault.Kind
	after  bool // a batch that fails as unknown took effect

	mu    sync.Mutex
	sizes []int
}

const poison = "666.00"

func (b *batches) BatchLimit() int { return b.limit }

func (b *batches) SendBatch(ctx context.Context, batch []pipeline.Sending, fence func() error) ([]pipeline.Answer, error) {
	if err := fence(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.sizes = append(b.sizes, len(batch))
	n := len(b.sizes)
	b.mu.Unlock()
	if b.before != nil {
		b.before(n)
	}
	kind, failed := b.fail[n]
	if failed && (kind != fault.Unknown || !b.after) {
		return nil, &fault.Error{Kind: kind, Op: "send", Err: errors.New("as told")}
	}
	for _, w := range batch {
		if w.Request.Body == `{"price":"`+poison+`"}` {
			return nil, &fault.Error{Kind: fault.Permanent, Op: "send", Err: errors.New("a check of the table")}
		}
	}
	answers := make([]pipeline.Answer, len(batch))
	for i, w := range batch {
		var err error
		if answers[i], err = b.Send(ctx, w.Request, w.Op, func() error { return nil }); err != nil {
			return nil, err
		}
	}
	if failed {
		return nil, &fault.Error{Kind: kind, Op: "send", Err: errors.New("as told")}
	}
	return answers, nil
}

// Send refuses poison also alone.
func (b *batches) Send(ctx context.Context, r pipeline.Request, op pipeline.WriteOp, fence func() error) (pipeline.Answer, error) {
	if r.Body == `{"price":"`+poison+`"}` {
		return pipeline.Answer{Outcome: pipeline.Rejected, Evidence: "a check of the table", At: b.Clock.Now()}, fence()
	}
	return b.System.Send(ctx, r, op, fence)
}

// crowd is a world of n records, each with a change of its price that is ready.
type crowd struct {
	*world
	door *batches
}

func newCrowd(t *testing.T, n, limit int, price func(i int) string) crowd {
	w := newWorld(t, pipeline.ByPrecondition)
	b := delta.NewRows(tables.Changes("bookings"))
	for i := range n {
		id, key := fmt.Sprintf("id-%03d", i), fmt.Sprintf("HM-%03d", i)
		w.sys.Put(id, map[string]string{"code": key, "guest": "Ana", "price": "100.00"})
		version, _ := w.version(id)
		b.Number(schemas.HashKey(key)).Text(key).Text("change-" + id).Text("pms").Text(string(pipeline.OpUpdate)).Text(id).
			Text(document(t, map[string]string{"price": "100.00"})).Text(document(t, map[string]string{"price": price(i)})).
			Text("effect-" + id).Number(1).Number(version).Null().Number(1).Text(tables.ChangeReady).Null().Text("plan-1").Number(0).Number(0).Text("run").Time(w.Clock.Now())
	}
	w.put(t, w.Begin(t), tables.Changes("bookings"), b)
	return crowd{world: w, door: &batches{System: w.sys, limit: limit}}
}

func (c crowd) request() load.Request {
	r := c.world.request()
	r.Target = c.door
	return r
}

func (c crowd) load(t *testing.T, tenure *lake.Tenure) load.Result {
	t.Helper()
	r, err := load.Run(t.Context(), c.deps(tenure), c.request())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ended counts the changes by state.
func (c crowd) ended(t *testing.T) []string {
	t.Helper()
	return c.Query(t, "SELECT state, count(*) FROM bookings GROUP BY state ORDER BY state", tables.Changes("bookings"))
}

func sameAll(price string) func(int) string { return func(int) string { return price } }

func (c crowd) table() tables.Table {
	id := pipeline.StreamID{Entity: "bookings", System: "pms"}
	return tables.Replica(id, replica.Columns(c.stream.Extract.Fields))
}

func (c crowd) seq(t *testing.T) uint64 {
	t.Helper()
	head, err := c.Lake.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head.Seq()
}

func TestManyWritesAreFewRoundTripsAndFewCommits(t *testing.T) {
	c := newCrowd(t, 120, 25, sameAll("120.00"))
	tenure, request := c.Begin(t), c.request()
	request.PerSecond = 1 // two requests are two seconds of quota: 50 writes
	before := c.seq(t)
	r, err := load.Run(t.Context(), c.deps(tenure), request)
	if err != nil || r.Counts.Applied != 120 || r.Counts.Sent != 120 {
		t.Fatalf("%+v, %v", r.Counts, err)
	}
	slices.Sort(c.door.sizes)
	if fmt.Sprint(c.door.sizes) != "[20 25 25 25 25]" {
		t.Errorf("batches of %v", c.door.sizes)
	}
	// One claims; three carry intents, each with the outcomes before; one the last outcomes.
	if got := c.seq(t) - before; got != 5 {
		t.Errorf("%d commits", got)
	}
	want(t, c.Query(t, "SELECT kind, count(*), count(DISTINCT change) FROM journal GROUP BY kind ORDER BY kind", tables.Journal()), "intent|120|120", "outcome|120|120")
	if len(c.sys.Effects) != 120 {
		t.Errorf("%d effects", len(c.sys.Effects))
	}
}

func TestAPoisonRecordIsIsolatedBySplitting(t *testing.T) {
	c := newCrowd(t, 16, 16, func(i int) string {
		if i == 11 {
			return poison
		}
		return "120.00"
	})
	r := c.load(t, c.Begin(t))
	if r.Counts.Applied != 15 || r.Counts.Rejected != 1 || len(c.sys.Effects) != 15 {
		t.Errorf("%+v, %d effects", r.Counts, len(c.sys.Effects))
	}
	if got := len(c.door.sizes); got > 7 { // 16, 8, 8, 4, 4, 2, 2, and those to blame alone
		t.Errorf("batches of %v", c.door.sizes)
	}
	want(t, c.Query(t, "SELECT change, state FROM bookings WHERE state <> 'applied'", tables.Changes("bookings")), "change-id-011|failed")
}

func TestAnotherWriterInABatchStopsOnlyItsOwnRecord(t *testing.T) {
	c := newCrowd(t, 6, 6, sameAll("120.00"))
	c.door.before = func(int) { c.sys.Put("id-004", map[string]string{"code": "HM-004", "guest": "Ana", "price": "99.00"}) }
	r := c.load(t, c.Begin(t))
	if r.Counts.Applied != 5 || r.Counts.Stale != 1 {
		t.Errorf("%+v", r.Counts)
	}
	want(t, c.Query(t, "SELECT _id, price::VARCHAR FROM pms WHERE _id = 'id-004'", c.table()), "id-004|99.00")
}

// A lost answer leaves the whole batch in doubt, whether it took effect or not.
// Each is read back by itself, and nothing is done twice.
func TestALostAnswerOfABatchIsSettledOneByOne(t *testing.T) {
	for _, after := range []bool{true, false} {
		c := newCrowd(t, 7, 7, sameAll("120.00"))
		c.door.after, c.door.fail = after, map[int]fault.Kind{1: fault.Unknown}
		r := c.load(t, c.Begin(t))
		if r.Counts.Lost != 7 || r.Counts.Applied != 7 || r.Counts.InDoubt != 0 || len(c.sys.Effects) != 7 {
			t.Errorf("took effect %v: %+v, %d effects", after, r.Counts, len(c.sys.Effects))
		}
		want(t, c.ended(t), "applied|7")
		kinds := c.Query(t, "SELECT kind, outcome, count(*) FROM journal GROUP BY ALL ORDER BY ALL", tables.Journal())
		if !slices.Contains(kinds, "outcome|in_doubt|7") {
			t.Errorf("journal %v", kinds)
		}
	}
}

func TestWhatSurelyDidNotHappenIsSentAgainAsABatch(t *testing.T) {
	c := newCrowd(t, 5, 5, sameAll("120.00"))
	c.door.fail = map[int]fault.Kind{1: fault.Transient, 2: fault.Transient}
	r := c.load(t, c.Begin(t))
	if r.Counts.Applied != 5 || r.Counts.Retried != 10 || fmt.Sprint(c.door.sizes) != "[5 5 5]" {
		t.Errorf("%+v, batches of %v", r.Counts, c.door.sizes)
	}
}

func TestALostLeaseLeavesTheIntentsOfABatchForTheNextRun(t *testing.T) {
	c := newCrowd(t, 6, 3, sameAll("120.00"))
	lost := errors.New("the lease is lost")
	c.fence = func() error { return lost }
	if _, err := load.Run(t.Context(), c.deps(c.Begin(t)), c.request()); !errors.Is(err, lost) {
		t.Fatalf("got %v", err)
	}
	want(t, c.ended(t), "sent|6")
	c.fence = func() error { return nil }
	r, err := load.Settle(t.Context(), c.deps(c.Begin(t)), c.request())
	if err != nil || r.Counts.Applied != 6 || len(c.sys.Effects) != 6 {
		t.Errorf("%+v, %v, %d effects", r.Counts, err, len(c.sys.Effects))
	}
}

func TestFewWritesThatNothingMakesSafeAreInDoubtAtOnce(t *testing.T) {
	c := newCrowd(t, 12, 50, sameAll("120.00"))
	c.sys.By, c.stream.Write.Precondition, c.stream.Write.Verify = pipeline.ByNothing, false, "none"
	r := c.load(t, c.Begin(t))
	if r.Counts.Applied != 12 || fmt.Sprint(c.door.sizes) != "[5 5 2]" {
		t.Errorf("%+v, batches of %v", r.Counts, c.door.sizes)
	}
}

func TestAWriteThatIsReadRightBeforeGoesAlone(t *testing.T) {
	c := newCrowd(t, 3, 50, sameAll("120.00"))
	c.sys.By, c.stream.Write.Precondition = pipeline.ByNothing, false
	if r := c.load(t, c.Begin(t)); r.Counts.Applied != 3 || len(c.door.sizes) != 0 {
		t.Errorf("%+v, batches of %v", r.Counts, c.door.sizes)
	}
}

// A write that was put off has a new intent before it is sent again, and is sent
// in the store from then on: if the process dies there, it is a doubt.
func TestAWriteThatWasPutOffIsInDoubtOnceItIsSentAgain(t *testing.T) {
	c := newCrowd(t, 3, 3, sameAll("120.00"))
	c.door.fail = map[int]fault.Kind{1: fault.Transient}
	lost, asked := errors.New("the lease is lost"), 0
	c.fence = func() error {
		if asked++; asked > 1 {
			return lost
		}
		return nil
	}
	if _, err := load.Run(t.Context(), c.deps(c.Begin(t)), c.request()); !errors.Is(err, lost) {
		t.Fatalf("got %v", err)
	}
	want(t, c.ended(t), "sent|3")
	want(t, c.Query(t, "SELECT kind, attempt, coalesce(outcome, '') FROM journal WHERE change = 'change-id-000' ORDER BY attempt, kind", tables.Journal()),
		"intent|1|", "outcome|1|retryable", "intent|2|")
}

// What a look proved not to be done is as if it had never been sent: a refusal of
// the next send is final, and not a doubt for ever.
func TestARefusalAfterAProofThatNothingWasDoneIsARefusal(t *testing.T) {
	c := newCrowd(t, 2, 2, sameAll(poison))
	c.door.fail = map[int]fault.Kind{1: fault.Unknown}
	r := c.load(t, c.Begin(t))
	if r.Counts.Lost != 2 || r.Counts.Rejected != 2 || r.Counts.InDoubt != 0 || len(c.sys.Effects) != 0 {
		t.Errorf("%+v, effects %v", r.Counts, c.sys.Effects)
	}
	want(t, c.ended(t), "failed|2")
}

// Whatever happens to batches, with poison in them and other writers between:
// nothing is done twice, everything has an outcome, and what ended as applied is
// what the system holds.
func TestBatchesUnderFailuresEndInOneOutcomeEach(t *testing.T) {
	for _, seed := range seeds(t, "TRUEUP_BATCHES", 6) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			n := 2 + r.IntN(11)
			c := newCrowd(t, n, 2+r.IntN(5), func(int) string {
				if r.IntN(5) == 0 {
					return poison
				}
				return "120.00"
			})
			c.door.fail, c.door.after = map[int]fault.Kind{}, r.IntN(2) == 0
			for range r.IntN(4) {
				c.door.fail[1+r.IntN(5)] = []fault.Kind{fault.Transient, fault.Unknown}[r.IntN(2)]
			}
			edit, whose := 1+r.IntN(4), r.IntN(n)
			c.door.before = func(batch int) {
				if batch == edit {
					c.sys.Put(fmt.Sprintf("id-%03d", whose), map[string]string{"code": fmt.Sprintf("HM-%03d", whose), "guest": "Ana", "price": "55.00"})
				}
			}
			c.load(t, c.Begin(t))
			for i := range 3 {
				if i == 2 {
					c.door.fail = nil // all is well again
				}
				if _, err := load.Settle(t.Context(), c.deps(c.Begin(t)), c.request()); err != nil {
					t.Fatal(err)
				}
				c.load(t, c.Begin(t))
			}
			c.check(t, n)
		})
	}
}

// seeds are those of a property: a few, or as many as the environment says.
func seeds(t *testing.T, env string, n int) []uint64 {
	t.Helper()
	if text := os.Getenv(env); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", env, err)
		}
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i)
	}
	return out
}

func (c crowd) check(t *testing.T, n int) {
	times := map[string]int{}
	for _, e := range c.sys.Effects {
		if times[e]++; times[e] > 1 {
			t.Errorf("done twice: %s", e)
		}
	}
	left := c.Query(t, "SELECT change, state FROM bookings WHERE state NOT IN ('applied', 'failed', 'held')", tables.Changes("bookings"))
	if len(left) > 0 {
		t.Errorf("without an outcome: %v", left)
	}
	for i := range n {
		id := fmt.Sprintf("id-%03d", i)
		applied := len(c.Query(t, "SELECT change FROM bookings WHERE state = 'applied' AND id = '"+id+"'", tables.Changes("bookings"))) == 1
		if did := times[fmt.Sprintf(`update %s {"price":"120.00"}`, id)] == 1; did && !applied && !c.edited(id) || applied && !did {
			t.Errorf("%s: took effect %v, is called applied %v", id, did, applied)
		}
	}
}

// edited reports whether somebody else wrote the record last.
func (c crowd) edited(id string) bool {
	got, err := c.sys.Fetch(context.Background(), []string{id})
	if err != nil || got.Batch.Rows == nil {
		return false
	}
	return got.Batch.Rows.Column(got.Batch.Rows.Schema().FieldIndices("price")[0]).ValueStr(0) == "55"
}
