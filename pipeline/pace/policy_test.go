package pace

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoffIsFullJitterUnderADoublingCeiling(t *testing.T) {
	p := Policy{MaxTries: 10, MaxElapsed: time.Hour, Base: 100 * time.Millisecond, Cap: time.Second}
	for n, want := range map[int]time.Duration{1: 100, 2: 200, 3: 400, 4: 800, 5: 1000, 9: 1000} {
		if d := p.Next(Try{Number: n}, 0.5); !d.Again || d.Wait != want*time.Millisecond/2 {
			t.Errorf("try %d: %+v, want half of %dms", n, d, want)
		}
	}
}

func TestTheLargerOfHeaderAndBackoffIsWaited(t *testing.T) {
	p := Policy{Base: 10 * time.Second, Cap: 10 * time.Second}
	if d := p.Next(Try{Number: 1, RetryAfter: 7 * time.Second}, 0.2); d.Wait != 7*time.Second {
		t.Errorf("header is larger: waits %s", d.Wait)
	}
	if d := p.Next(Try{Number: 1, RetryAfter: 7 * time.Second}, 0.9); d.Wait != 9*time.Second {
		t.Errorf("backoff is larger: waits %s", d.Wait)
	}
}

func TestRetriesAreCappedInCountAndTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			MaxTries:   rapid.IntRange(1, 20).Draw(t, "tries"),
			MaxElapsed: time.Duration(rapid.IntRange(1, 600).Draw(t, "elapsed")) * time.Second,
			Base:       time.Duration(rapid.IntRange(1, 5000).Draw(t, "base")) * time.Millisecond,
			Cap:        time.Duration(rapid.IntRange(1, 60).Draw(t, "cap")) * time.Second,
		}
		var elapsed time.Duration
		for n := 1; ; n++ {
			try := Try{Number: n, Elapsed: elapsed, RetryAfter: time.Duration(rapid.IntRange(0, 90).Draw(t, "after")) * time.Second}
			d := p.Next(try, rapid.Float64Range(0, 0.999).Draw(t, "random"))
			if !d.Again {
				if d.Why == "" {
					t.Fatal("gave up without a reason")
				}
				return
			}
			if d.Wait < try.RetryAfter {
				t.Fatalf("waits %s, the header asked for %s", d.Wait, try.RetryAfter)
			}
			elapsed += d.Wait
			if n >= p.MaxTries || elapsed > p.MaxElapsed {
				t.Fatalf("try %d at %s is beyond %+v", n+1, elapsed, p)
			}
		}
	})
}

func TestRetryBudgetIsAShareOfRequests(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBudget(0.2, now)
	for b.retry(now) {
	}
	allowed := 0
	for range 1000 {
		b.request(now)
		if b.retry(now) {
			allowed++
		}
	}
	if allowed < 199 || allowed > 201 {
		t.Errorf("%d retries of 1000 requests, want a fifth", allowed)
	}
	if !b.retry(now.Add(10 * time.Second)) {
		t.Error("an idle system earns no retry with time")
	}
}

func TestBreakerOpensProbesOnceAndCloses(t *testing.T) {
	now := time.Unix(0, 0)
	b := breaker{threshold: 3, first: time.Second, most: 4 * time.Second}
	enter := func(want bool) (probe bool) {
		t.Helper()
		ok, probe, again := b.enter(now)
		if ok != want || (!ok && again <= 0) {
			t.Fatalf("enter = %v, again in %s, want %v", ok, again, want)
		}
		return probe
	}
	for range 3 {
		b.leave(now, enter(true), true)
	}
	enter(false)
	for _, open := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		if now.Add(open) != b.until {
			t.Fatalf("open until %s, want %s more", b.until, open)
		}
		now = now.Add(open)
		probe := enter(true)
		enter(false)              // one probe only
		b.leave(now, false, true) // an old request's failure changes nothing
		b.leave(now, probe, true)
	}
	now = b.until
	b.abandon(enter(true))
	b.leave(now, enter(true), false)
	enter(true)
	enter(true)
}

func TestBreakerSurvivesAProbeThatNeverReports(t *testing.T) {
	now := time.Unix(0, 0)
	b := breaker{threshold: 1, first: time.Second, most: time.Minute}
	b.leave(now, false, true)
	now = now.Add(time.Second)
	if _, probe, _ := b.enter(now); !probe {
		t.Fatal("no probe")
	}
	if ok, _, _ := b.enter(now.Add(time.Minute)); !ok {
		t.Error("locked for good by a lost probe")
	}
}

func TestAdaptiveFallsOncePerCoolingTimeAndClimbsBack(t *testing.T) {
	now := time.Unix(0, 0)
	a := newAdaptive(true, now)
	now = now.Add(time.Minute)
	for range 8 {
		a.pushback(now) // eight answers of one burst
	}
	if a.share != 0.7 {
		t.Fatalf("share %v after one burst, want 0.7", a.share)
	}
	for range 100 {
		now = now.Add(time.Minute)
		a.pushback(now)
	}
	if a.share != a.floor || a.of(4) != 1 {
		t.Fatalf("share %v, %d of 4: never below the floor, never none", a.share, a.of(4))
	}
	for range 100 {
		now = now.Add(time.Second)
		a.success(now)
	}
	if a.share != 1 {
		t.Errorf("share %v after 100 quiet seconds, want 1", a.share)
	}
	off := newAdaptive(false, now)
	off.pushback(now)
	if off.share != 1 {
		t.Error("adapts although it is off")
	}
}
