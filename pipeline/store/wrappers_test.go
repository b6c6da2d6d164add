package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/faulty"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/storetest"
)

func TestConformanceOfTheWrappers(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	for name, wrap := range map[string]func(store.Store) store.Store{
		"retry": func(s store.Store) store.Store { return store.Retry(s, store.Policy{}) },
		"limit": func(s store.Store) store.Store { return store.Limit(s, 1) },
		"log":   func(s store.Store) store.Store { return store.Log(s, silent) },
		"count": func(s store.Store) store.Store { return store.Count(s) },
		"all": func(s store.Store) store.Store {
			return store.Count(store.Retry(store.Log(store.Limit(s, 3), silent), store.Policy{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(*testing.T) store.Store { return wrap(mem.New()) })
		})
	}
}

// noWait is a policy of four tries that remembers how long it would wait.
func noWait(waits *[]time.Duration) store.Policy {
	return store.Policy{Tries: 4,
		Wait:  func(try int, _ error) time.Duration { return time.Duration(try) },
		Sleep: func(_ context.Context, d time.Duration) error { *waits = append(*waits, d); return nil }}
}

func filled(t *testing.T, n int) *mem.Store {
	t.Helper()
	s := mem.New()
	for i := range n {
		if _, err := s.PutIfAbsent(t.Context(), fmt.Sprintf("k%02d", i), []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// always does one thing to operations of one name, as often as times says.
func always(name string, times int, do faulty.Action) func(faulty.Operation) faulty.Action {
	return func(op faulty.Operation) faulty.Action {
		if op.Name == name && times > 0 {
			times--
			return do
		}
		return faulty.Pass
	}
}

func TestRetryRepeatsReadsListsAndDeletes(t *testing.T) {
	for _, action := range []faulty.Action{faulty.ErrBefore, faulty.ErrAfter, faulty.Torn, faulty.Throttled} {
		for name, call := range map[string]func(store.Store) (string, error){
			"get": func(s store.Store) (string, error) {
				data, _, err := s.Get(t.Context(), "k00")
				return string(data), err
			},
			"open": func(s store.Store) (string, error) { return readRange(t, s, "k00", 1, 8) },
			"list": func(s store.Store) (string, error) {
				var keys []string
				err := s.List(t.Context(), "k", "", func(i store.Info) error { keys = append(keys, i.Key); return nil })
				return strings.Join(keys, " "), err
			},
			"delete": func(s store.Store) (string, error) {
				err := s.Delete(t.Context(), "k01")
				_, _, gone := s.Get(t.Context(), "k01")
				return fmt.Sprint(errors.Is(gone, store.ErrNotExist)), err
			},
		} {
			t.Run(fmt.Sprintf("%s %d", name, action), func(t *testing.T) {
				want, err := call(filled(t, 5))
				if err != nil {
					t.Fatal(err)
				}
				var waits []time.Duration
				broken := faulty.New(filled(t, 5), always(name, 3, action))
				got, err := call(store.Retry(broken, noWait(&waits)))
				if err != nil || got != want {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
				if len(waits) != 3 {
					t.Errorf("waited %v", waits)
				}
			})
		}
	}
}

func readRange(t *testing.T, s store.Store, key string, offset, length int64) (string, error) {
	t.Helper()
	body, err := s.Open(t.Context(), key, offset, length)
	if err != nil {
		return "", err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), err
}

func TestRetryGivesUp(t *testing.T) {
	var waits []time.Duration
	broken := faulty.New(filled(t, 1), always("get", 99, faulty.ErrBefore))
	_, _, err := store.Retry(broken, noWait(&waits)).Get(t.Context(), "k00")
	if fault.KindOf(err) != fault.Transient || len(broken.Calls()) != 4 || fmt.Sprint(waits) != "[1ns 2ns 3ns]" {
		t.Errorf("%d calls, waited %v: %v", len(broken.Calls()), waits, err)
	}
	permanent := faulty.New(filled(t, 1), always("get", 1, faulty.Crash))
	if _, _, err := store.Retry(permanent, noWait(&waits)).Get(t.Context(), "k00"); err == nil || len(permanent.Calls()) != 1 {
		t.Errorf("a permanent error is tried again: %d calls", len(permanent.Calls()))
	}
}

// A torn read that made progress has all its tries again, and a listing goes on
// after the last key that was seen, so that nothing comes twice.
func TestRetryResumesWhereItBroke(t *testing.T) {
	var waits []time.Duration
	s := store.Retry(faulty.New(filled(t, 12), always("list", 9, faulty.Torn)), noWait(&waits))
	var keys []string
	err := s.List(t.Context(), "", "", func(i store.Info) error { keys = append(keys, i.Key); return nil })
	if err != nil || len(keys) != 12 || len(waits) != 9 {
		t.Errorf("%d keys, %d waits, %v", len(keys), len(waits), err)
	}
	torn := faulty.New(filled(t, 1), always("open", 2, faulty.Torn))
	if got, err := readRange(t, store.Retry(torn, noWait(&waits)), "k00", 0, -1); got != "0123456789" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestRetryDoesNotRepeatTheReceiversError(t *testing.T) {
	var waits []time.Duration
	broken := fault.New(fault.Transient, "receiver", io.ErrClosedPipe)
	calls := 0
	err := store.Retry(filled(t, 3), noWait(&waits)).List(t.Context(), "", "", func(store.Info) error { calls++; return broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// Unknown is a kind of its own: a put is never repeated by a wrapper, whatever
// its outcome was, and the outcome stays what it is.
func TestRetryNeverRepeatsAConditionalPut(t *testing.T) {
	for action, want := range map[faulty.Action]fault.Kind{faulty.ErrBefore: fault.Unknown, faulty.ErrAfter: fault.Unknown,
		faulty.LandsLate: fault.Unknown, faulty.Throttled: fault.Transient, faulty.Conflict: fault.Transient} {
		for _, name := range []string{"put", "swap", "upload"} {
			var waits []time.Duration
			inner := faulty.New(mem.New(), always(name, 9, action))
			s := store.Retry(inner, noWait(&waits))
			var err error
			switch name {
			case "put":
				_, err = s.PutIfAbsent(t.Context(), "k", nil)
			case "swap":
				_, err = s.Swap(t.Context(), "k", nil, "")
			case "upload":
				_, err = s.Upload(t.Context(), "k", strings.NewReader("x"))
			}
			if fault.KindOf(err) != want || len(inner.Calls()) != 1 || len(waits) != 0 {
				t.Errorf("%s, action %d: %d calls, kind %s", name, action, len(inner.Calls()), fault.KindOf(err))
			}
		}
	}
}

func TestRetryStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		policy := store.Policy{Tries: 100, Wait: func(int, error) time.Duration { return 25 * time.Second }}
		inner := faulty.New(filled(t, 1), always("get", 99, faulty.ErrBefore))
		_, _, err := store.Retry(inner, policy).Get(ctx, "k00")
		if err == nil || len(inner.Calls()) != 3 {
			t.Errorf("%d calls in a minute of waits of 25 s: %v", len(inner.Calls()), err)
		}
	})
}

func TestBackoffStaysWithinItsBounds(t *testing.T) {
	for try := 1; try < 70; try++ {
		if d := store.Backoff(try, io.EOF); d < 0 || d > 10*time.Second || (try == 1 && d > 100*time.Millisecond) {
			t.Errorf("try %d waits %s", try, d)
		}
	}
	asked := fault.New(fault.Transient, "get", io.EOF).WithRetryAfter(20 * time.Second)
	if d := store.Backoff(1, asked); d != 20*time.Second {
		t.Errorf("asked for 20s, waits %s", d)
	}
	if d := store.Backoff(1, asked.WithRetryAfter(time.Hour)); d != time.Minute {
		t.Errorf("an absurd wait is clamped to %s", d)
	}
}

// busy counts how many calls are inside at once.
type busy struct {
	store.Store
	now  atomic.Int32
	mu   sync.Mutex
	most int32
	hold chan struct{}
}

func (b *busy) Get(ctx context.Context, key string) ([]byte, store.Info, error) {
	n := b.now.Add(1)
	b.mu.Lock()
	b.most = max(b.most, n)
	b.mu.Unlock()
	<-b.hold
	defer b.now.Add(-1)
	return b.Store.Get(ctx, key)
}

func TestLimitLetsNInAndTheOthersWaitOrEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &busy{Store: filled(t, 1), hold: make(chan struct{})}
		s := store.Limit(inner, 3)
		done := make(chan error, 10)
		for range 10 {
			go func() {
				_, _, err := s.Get(t.Context(), "k00")
				done <- err
			}()
		}
		synctest.Wait()
		if inner.now.Load() != 3 {
			t.Errorf("%d calls inside", inner.now.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Delete(ctx, "k00"); fault.KindOf(err) != fault.Canceled {
			t.Errorf("a call that gave up: %v", err)
		}
		close(inner.hold)
		for range 10 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if inner.most != 3 {
			t.Errorf("%d calls at once", inner.most)
		}
	})
}

// With one slot, code that is called back by the store may use the store.
func TestLimitDoesNotBlockItself(t *testing.T) {
	s := store.Limit(filled(t, 2), 1)
	err := s.List(t.Context(), "", "", func(i store.Info) error {
		_, _, err := s.Get(t.Context(), i.Key)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	body, err := s.Open(t.Context(), "k00", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := s.Upload(t.Context(), "copy", body); err != nil {
		t.Error(err)
	}
}

func TestCountCountsCallsAndBytes(t *testing.T) {
	c := store.Count(filled(t, 3))
	ctx := t.Context()
	_, _, _ = c.Get(ctx, "k00")
	_, _, _ = c.Get(ctx, "none")
	_, _ = readRange(t, c, "k00", 2, 5)
	_, _ = c.PutIfAbsent(ctx, "new", []byte("abc"))
	_, _ = c.PutIfAbsent(ctx, "new", []byte("abc"))
	_, _ = c.Upload(ctx, "up", strings.NewReader("abcdef"))
	_ = c.List(ctx, "k", "", func(store.Info) error { return nil })
	_ = c.Delete(ctx, "k00")
	want := map[string]store.Figures{
		"get": {Calls: 2, BytesRead: 10}, "open": {Calls: 1, BytesRead: 5}, "put": {Calls: 2, BytesWritten: 6},
		"upload": {Calls: 1, BytesWritten: 6}, "list": {Calls: 1, Objects: 3}, "delete": {Calls: 1},
	}
	for op, figures := range want {
		if got := c.Of(op); got != figures {
			t.Errorf("%s: %+v, want %+v", op, got, figures)
		}
	}
	if len(c.ByOp()) != len(want) || c.Total() != (store.Figures{Calls: 8, BytesRead: 15, BytesWritten: 12, Objects: 3}) {
		t.Errorf("total %+v of %v", c.Total(), c.ByOp())
	}
	c.Reset()
	if c.Total() != (store.Figures{}) {
		t.Error("not at zero again")
	}
	failing := store.Count(faulty.New(filled(t, 1), always("get", 1, faulty.ErrBefore)))
	_, _, _ = failing.Get(ctx, "k00")
	if failing.Of("get").Errors != 1 {
		t.Errorf("%+v", failing.Of("get"))
	}
}

func TestLogTellsFailuresFromAnswers(t *testing.T) {
	var text bytes.Buffer
	s := store.Log(faulty.Plan(filled(t, 1), faulty.Fault{Name: "get", Nth: 3, Do: faulty.ErrBefore}),
		slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, key := range []string{"k00", "none", "k00"} {
		_, _, _ = s.Get(t.Context(), key)
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "bytes_read=10") || !strings.Contains(lines[1], "level=DEBUG") ||
		!strings.Contains(lines[2], "level=INFO") || !strings.Contains(lines[2], "kind=transient") {
		t.Errorf("logged:\n%s", text.String())
	}
}

// A call that is answered after all is no failure, and one that never is, is one:
// whatever it was tried.
func TestACallThatIsRetriedFailsAtMostOnce(t *testing.T) {
	for failures, failed := range map[int]int{0: 0, 2: 0, 5: 1} {
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
		policy := store.Told(store.Policy{Wait: func(int, error) time.Duration { return 0 }}, log)
		s := store.Log(store.Retry(faulty.New(filled(t, 1), always("get", failures, faulty.ErrBefore)), policy), log)
		_, _, err := s.Get(t.Context(), "k00")
		if got := strings.Count(text.String(), "level=INFO"); got != failed || (err != nil) != (failed == 1) {
			t.Errorf("%d failures: %d lines of failure, error %v\n%s", failures, got, err, text.String())
		}
		if got := strings.Count(text.String(), "tried again"); got != min(failures, 4) {
			t.Errorf("%d failures: %d lines of tries", failures, got)
		}
	}
}

func TestATornDownloadIsAnError(t *testing.T) {
	s := faulty.Plan(filled(t, 1), faulty.Fault{Name: "open", Nth: 2, Do: faulty.Torn})
	err := store.Download(t.Context(), s, "k00", 10, discard{}, store.Ranges{PartBytes: 4, Parallel: 2})
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v", err)
	}
	err = store.Download(t.Context(), filled(t, 1), "k00", 11, discard{}, store.Ranges{PartBytes: 4})
	if fault.KindOf(err) != fault.Permanent {
		t.Errorf("an object that is shorter than its manifest says: %v", err)
	}
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
