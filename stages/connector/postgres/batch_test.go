package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/connector/postgres/pgtest"
)

// batchOf prepares writes for one batch.
func batchOf(t testing.TB, s *Stream, writes ...pipeline.Write) []pipeline.Sending {
	t.Helper()
	out := make([]pipeline.Sending, len(writes))
	for i, w := range writes {
		req, err := s.Prepare(w)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = pipeline.Sending{Request: req, Op: w.Op}
	}
	return out
}

// pay updates the cents of rows 1 to n.
func pay(n int, cents string) []pipeline.Write {
	out := make([]pipeline.Write, n)
	for i := range out {
		out[i] = update(strconv.Itoa(i+1), pipeline.Values{"cents": text(cents)})
	}
	return out
}

// However many writes a batch has: one round trip that begins and locks, one that
// carries every statement and the commit.
func TestABatchIsTwoRoundTrips(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, batchLimit)
	p := newProxy(t, w.server.Address())
	s := stream(t, strings.Replace(w.dsn(), w.server.Address(), p.address(), 1), parts{write: writes})
	send(t, s, update("1", pipeline.Values{"cents": text("7")})) // connects, and looks at the table's key
	for _, n := range []int{2, 50, batchLimit} {
		p.said()
		if _, err := s.SendBatch(t.Context(), batchOf(t, s, pay(n, "8")...), open); err != nil {
			t.Fatal(err)
		}
		if got := p.said(); got[messageQuery] != 1 || got[messageSync] != 1 || got[messageExecute] != n+1 {
			t.Errorf("%d writes: %d simple queries, %d syncs, %d statements", n, got[messageQuery], got[messageSync], got[messageExecute])
		}
	}
	if got := w.exec("SELECT count(*) FROM items WHERE cents = 8")[0][0]; got != strconv.Itoa(batchLimit) {
		t.Errorf("%s rows were paid", got)
	}
}

func TestABatchThatTheServerRefusesHasNoEffect(t *testing.T) {
	w := newWorld(t, items+"ALTER TABLE items ADD CHECK (cents < 1000), ADD parent bigint REFERENCES items DEFERRABLE INITIALLY DEFERRED;")
	w.insert(1, 3)
	s := stream(t, w.dsn(), parts{fields: "{id: string, code: string, note: string, cents: int64, parent: int64, updated_at: timestamp}", write: writes})
	for name, c := range map[string]struct {
		poison pipeline.Write
		says   string
	}{
		"by a check":           {update("2", pipeline.Values{"cents": text("1000")}), "items_cents_check"},
		"only at the commit":   {update("2", pipeline.Values{"parent": text("99")}), "items_parent_fkey"},
		"a value of no type":   {update("2", pipeline.Values{"cents": text("1e99")}), "22P02"},
		"taken by another":     {update("2", pipeline.Values{"code": text("c1")}), "items_code_key"},
		"an ID that is none":   {pipeline.Write{Op: pipeline.OpDelete, ID: "x"}, "22P02"},
		"null where it cannot": {update("2", pipeline.Values{"code": nil}), "23502"},
	} {
		_, err := s.SendBatch(t.Context(), batchOf(t, s, pay(1, "500")[0], c.poison, create("new", pipeline.Values{})), open)
		if !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "3 writes of public.items") {
			t.Errorf("%s: error %v (%s)", name, err, fault.KindOf(err))
		}
		if got := fmt.Sprint(w.exec("SELECT code, cents FROM items ORDER BY id")); got != "[[c1 1] [c2 2] [c3 3]]" {
			t.Errorf("%s: now there is %s", name, got)
		}
	}
}

// A lock that another session holds too long is no fault of any record.
func TestABatchThatWaitsTooLongForARowMayBeSentAgain(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 2)
	s := stream(t, w.dsn(), parts{write: writes})
	s.client.timeout = 4e9 // the server gives up after three quarters of it, long before we do
	other := w.server.Connect(t, w.name)
	pgtest.Exec(t, other, "BEGIN; UPDATE items SET note = 'mine' WHERE id = 2 RETURNING 1")
	_, err := s.SendBatch(t.Context(), batchOf(t, s, pay(2, "9")...), open)
	if !fault.Is(err, fault.Transient) {
		t.Errorf("error %v (%s)", err, fault.KindOf(err))
	}
	pgtest.Exec(t, other, "COMMIT")
	if got := fmt.Sprint(w.exec("SELECT cents FROM items ORDER BY id")); got != "[[1] [2]]" {
		t.Errorf("now there is %s", got)
	}
}

// A look at any record of a batch that may still commit waits for it.
func TestALookWaitsForEveryRecordOfABatchThatIsStillRunning(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 2)
	s := stream(t, w.dsn(), parts{write: writes})
	looked := make(chan []string, 2)
	_, err := s.SendBatch(t.Context(), batchOf(t, s, pay(2, "77")...), func() error {
		for _, id := range []string{"1", "2"} {
			go func() {
				got, err := s.Fetch(context.Background(), []string{id})
				if err != nil {
					looked <- []string{err.Error()}
					return
				}
				looked <- show(s, got.Batch.Rows, "cents")
			}()
		}
		w.await("SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := append(<-looked, <-looked...)
	slices.Sort(got)
	if !slices.Equal(got, []string{"1|77", "2|77"}) {
		t.Errorf("looked %v", got)
	}
}

func TestABatchWhoseConnectionIsKilledIsADoubt(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 2)
	s := stream(t, w.dsn(), parts{write: writes})
	_, err := s.SendBatch(t.Context(), batchOf(t, s, pay(2, "9")...), func() error {
		w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trueup' AND datname = current_database()")
		return nil
	})
	if !fault.Is(err, fault.Unknown) {
		t.Errorf("error %v (%s)", err, fault.KindOf(err))
	}
}

// Batches that hold the same records in any order, side by side, never wait for
// each other in a circle on our own locks, and every one is whole or not at all.
func TestBatchesOfTheSameRecordsInAnyOrderAllEnd(t *testing.T) {
	w := newWorld(t, items)
	w.insert(1, 5)
	s := stream(t, w.dsn(), parts{write: writes})
	rapid.Check(t, func(rt *rapid.T) {
		orders := rapid.SliceOfN(rapid.Permutation([]int{0, 1, 2, 3, 4}), 2, 4).Draw(rt, "orders")
		ended := make(chan error, len(orders))
		for i, order := range orders {
			all := pay(5, strconv.Itoa(i))
			var mine []pipeline.Write
			for _, n := range order {
				mine = append(mine, all[n])
			}
			batch := batchOf(t, s, mine...)
			go func() {
				_, err := s.SendBatch(context.Background(), batch, open)
				ended <- err
			}()
		}
		for range orders {
			if err := <-ended; err != nil {
				rt.Errorf("%v", err)
			}
		}
		if got := w.exec("SELECT count(DISTINCT cents) FROM items")[0][0]; got != "1" {
			rt.Errorf("%s batches can be seen at once", got)
		}
	})
}

func TestAStoredRequestThatIsNoStatementIsNotSent(t *testing.T) {
	s := stream(t, "host=nowhere", parts{write: writes})
	batch := batchOf(t, s, pay(2, "1")...)
	batch[1].Request.Body = "{}"
	_, err := s.SendBatch(t.Context(), batch, func() error { return errors.New("the fence was asked") })
	if !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "no statement") {
		t.Errorf("got %v", err)
	}
}
