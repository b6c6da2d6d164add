package pace

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
)

type meter struct{ requests, failed, retries, throttles atomic.Int64 }

func (m *meter) Request(_ string, _ time.Duration, failed bool) {
	m.requests.Add(1)
	if failed {
		m.failed.Add(1)
	}
}
func (m *meter) Retry(string)    { m.retries.Add(1) }
func (m *meter) Throttle(string) { m.throttles.Add(1) }

// takes is a send that lasts d and gives a.
func takes(d time.Duration, a Attempt) func(context.Context) Attempt {
	return func(ctx context.Context) Attempt {
		if err := Sleep(ctx, d); err != nil {
			a.Err = err
		}
		return a
	}
}

func failing() Attempt {
	return Attempt{Err: &fault.Error{Kind: fault.Transient, Op: "get", Err: errors.New("502")}, Again: true, Result: Result{Failed: true}}
}

func TestOneLimiterServesAllReadersAndWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		g := New(Options{System: "s", RequestsPerSecond: 50, Burst: 5, Concurrency: 8, Meter: m})
		var underWay, most atomic.Int64
		send := func(ctx context.Context) Attempt {
			if n := underWay.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer underWay.Add(-1)
			return takes(200*time.Millisecond, Attempt{})(ctx)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				for range 10 {
					if err := g.Do(t.Context(), Class(i%2), Policy{}, send); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if m.requests.Load() != 300 || most.Load() != 8 {
			t.Errorf("%d requests, at most %d at once; want 300 and 8", m.requests.Load(), most.Load())
		}
		// 8 at once of 200 ms are 40 a second: the tighter of the two bounds.
		if d := time.Since(began); d < 7500*time.Millisecond || d > 7700*time.Millisecond {
			t.Errorf("took %s on the fake clock, want 7.6s", d)
		}
	})
}

func TestNoWindowSeesMoreThanRateAndBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{System: "s", RequestsPerSecond: 20, Burst: 4, Concurrency: 16})
		var mu sync.Mutex
		var at []time.Time
		rnd := rand.New(rand.NewPCG(1, 2))
		var wg sync.WaitGroup
		for range 16 {
			idle := time.Duration(rnd.IntN(900)) * time.Millisecond
			wg.Go(func() {
				for range 10 {
					_ = g.Do(t.Context(), Bulk, Policy{}, func(ctx context.Context) Attempt {
						mu.Lock()
						at = append(at, time.Now())
						mu.Unlock()
						return takes(10*time.Millisecond, Attempt{})(ctx)
					})
					_ = Sleep(t.Context(), idle)
				}
			})
		}
		wg.Wait()
		for i := range at {
			for j := i; j < len(at); j++ {
				if allowed := 4 + 20*at[j].Sub(at[i]).Seconds(); float64(j-i+1) > allowed+1e-6 {
					t.Fatalf("%d requests within %s, allowed are %.1f", j-i+1, at[j].Sub(at[i]), allowed)
				}
			}
		}
	})
}

func TestRetryAfterPausesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		g := New(Options{System: "s", RequestsPerSecond: 1000, Concurrency: 4, Meter: m})
		began := time.Now()
		var n atomic.Int64
		send := func(context.Context) Attempt {
			if n.Add(1) == 1 {
				return Attempt{Err: errors.New("429"), Again: true, Result: Result{Throttled: true, Hints: Hints{RetryAfter: 40 * time.Second}}}
			}
			if time.Since(began) < 40*time.Second {
				t.Errorf("a request after %s, within the pause", time.Since(began))
			}
			return Attempt{}
		}
		if err := g.Do(t.Context(), Bulk, Policy{}, func(ctx context.Context) Attempt {
			a := send(ctx)
			if a.Err != nil { // another caller arrives while the first one waits
				go func() { _ = g.Do(t.Context(), Urgent, Policy{}, send) }()
			}
			return a
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n.Load() != 3 || m.throttles.Load() != 1 || m.retries.Load() != 1 {
			t.Errorf("%d sends, %d throttles, %d retries; want 3, 1, 1", n.Load(), m.throttles.Load(), m.retries.Load())
		}
	})
}

func TestQuotaUsedUpIsAnErrorThatSaysWhenNeverAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{System: "s", MaxPause: time.Minute})
		spent := Attempt{Result: Result{Hints: Hints{HasRemaining: true, Reset: 30 * time.Minute}}}
		if err := g.Do(t.Context(), Bulk, Policy{}, takes(0, spent)); err != nil {
			t.Fatal(err)
		}
		err := g.Do(t.Context(), Bulk, Policy{}, func(context.Context) Attempt { t.Error("sent without quota"); return Attempt{} })
		if fault.KindOf(err) != fault.Transient || fault.RetryAfterOf(err) != 30*time.Minute {
			t.Errorf("got %v, want Transient with 30m", err)
		}
	})
}

func TestReserveOfTheQuotaIsLeftToUrgentRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{System: "s", Reserve: 100})
		began := time.Now()
		low := Attempt{Result: Result{Hints: Hints{Remaining: 80, HasRemaining: true, Reset: time.Minute}}}
		_ = g.Do(t.Context(), Bulk, Policy{}, takes(0, low))
		_ = g.Do(t.Context(), Urgent, Policy{}, takes(0, Attempt{}))
		if time.Since(began) != 0 {
			t.Errorf("a write waited %s for a reserve that is kept for it", time.Since(began))
		}
		_ = g.Do(t.Context(), Bulk, Policy{}, takes(0, Attempt{}))
		if time.Since(began) != time.Minute {
			t.Errorf("a bulk read waited %s, want until the window begins anew", time.Since(began))
		}
	})
}

func TestUrgentComesFirstAndBulkIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{System: "s", RequestsPerSecond: 1000, Burst: 1000, Concurrency: 1})
		var mu sync.Mutex
		var order []Class
		var wg sync.WaitGroup
		do := func(c Class) {
			wg.Go(func() {
				_ = g.Do(t.Context(), c, Policy{}, func(ctx context.Context) Attempt {
					mu.Lock()
					order = append(order, c)
					mu.Unlock()
					return takes(time.Second, Attempt{})(ctx)
				})
			})
			synctest.Wait()
		}
		for range 4 {
			do(Bulk)
		}
		for range 8 {
			do(Urgent)
		}
		wg.Wait()
		want := []Class{Bulk, Urgent, Urgent, Urgent, Urgent, Bulk, Urgent, Urgent, Urgent, Urgent, Bulk, Bulk}
		for i, c := range order {
			if c != want[i] {
				t.Fatalf("order %v, want %v", order, want)
			}
		}
	})
}

func TestAWaiterThatGivesUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{System: "s", RequestsPerSecond: 1, Burst: 1, Concurrency: 1})
		pass, err := g.Enter(t.Context(), Bulk)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Enter(ctx, Urgent); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		pass.Leave(Result{})
		pass.Leave(Result{Failed: true}) // the second one does nothing
		short, cancel2 := context.WithCancel(t.Context())
		cancel2()
		if _, err := g.Enter(short, Bulk); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if p, err := g.Enter(t.Context(), Bulk); err != nil {
			t.Error(err)
		} else {
			p.Abandon()
		}
		if g.slots.used != 0 {
			t.Errorf("%d slots are still taken", g.slots.used)
		}
	})
}

func TestRetryStormIsBoundedByTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		g := New(Options{System: "s", RequestsPerSecond: 1000, Concurrency: 8, BreakAfter: 1 << 30, Meter: m})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 25 {
					err := g.Do(t.Context(), Bulk, Policy{Base: time.Millisecond, Cap: time.Millisecond}, func(context.Context) Attempt { return failing() })
					if fault.KindOf(err) != fault.Transient {
						t.Errorf("kind of %v is lost", err)
					}
				}
			})
		}
		wg.Wait()
		if r := m.retries.Load(); r > 20+200/4+5 {
			t.Errorf("%d retries of 200 requests that all fail", r)
		}
	})
}

func TestOpenBreakerLetsOneProbeThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{}
		g := New(Options{System: "s", RequestsPerSecond: 1000, BreakAfter: 3, BreakFor: 10 * time.Second, Meter: m})
		for range 3 {
			_ = g.Do(t.Context(), Bulk, Policy{MaxTries: 1}, func(context.Context) Attempt { return failing() })
		}
		if _, err := g.Enter(t.Context(), Urgent); fault.KindOf(err) != fault.Transient || fault.RetryAfterOf(err) != 10*time.Second {
			t.Fatalf("got %v, want circuit open for 10s", err)
		}
		began := time.Now()
		if err := g.Do(t.Context(), Bulk, Policy{}, takes(0, Attempt{})); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) < 10*time.Second || m.requests.Load() != 4 {
			t.Errorf("%d requests, the last after %s", m.requests.Load(), time.Since(began))
		}
	})
}

func TestWhatMustNotBeRepeatedIsSentOnce(t *testing.T) {
	g := New(Options{System: "s"})
	n := 0
	lost := errors.New("reset")
	err := g.Do(t.Context(), Urgent, Policy{}, func(context.Context) Attempt {
		n++
		return Attempt{Err: lost, Result: Result{Failed: true}}
	})
	if n != 1 || !errors.Is(err, lost) {
		t.Errorf("%d sends, error %v", n, err)
	}
}

func TestPushbackLowersRateAndSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{System: "s", RequestsPerSecond: 100, Concurrency: 10, Adaptive: true})
		_ = Sleep(t.Context(), time.Minute)
		_ = g.Do(t.Context(), Bulk, Policy{MaxTries: 1}, takes(0, Attempt{Err: errors.New("429"), Again: true, Result: Result{Throttled: true}}))
		if g.rate.Limit() != 70 || g.limit() != 7 {
			t.Errorf("rate %v and %d slots after push-back, want 70 and 7", g.rate.Limit(), g.limit())
		}
		_ = Sleep(t.Context(), time.Minute)
		_ = g.Do(t.Context(), Bulk, Policy{}, takes(0, Attempt{}))
		if g.rate.Limit() != 100 || g.limit() != 10 {
			t.Errorf("rate %v and %d slots after a quiet minute, want all", g.rate.Limit(), g.limit())
		}
	})
}

// Whoever watches is told what is waited for, and until when.
func TestWhatIsWaitedForIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []Wait
		g := New(Options{System: "s", RequestsPerSecond: 1000, Waits: func(w Wait) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, w)
		}})
		began := time.Now()
		answers := []Attempt{
			{Err: errors.New("429"), Again: true, Result: Result{Status: 429, Throttled: true, Hints: Hints{RetryAfter: 40 * time.Second}}},
			failing(),
			{},
		}
		send := func(context.Context) Attempt {
			a := answers[0]
			answers = answers[1:]
			return a
		}
		if err := g.Do(t.Context(), Bulk, Policy{}, send); err != nil {
			t.Fatal(err)
		}
		if len(told) < 2 || told[0].Why != "429" || told[0].System != "s" || told[0].Until.Before(began.Add(40*time.Second)) {
			t.Fatalf("%+v", told)
		}
		if last := told[len(told)-1]; last.Why != "no answer" || !last.Until.After(began.Add(40*time.Second)) {
			t.Errorf("%+v", told)
		}
	})
}
