package lake

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store/mem"
)

// leases are two processes on one store with clocks of their own.
func leases(t *testing.T) (h *hands, one, two *Lake, c *hours) {
	h, c = newHands(t, mem.New()), &hours{}
	c.set(&h.o)
	h.o.LeaseTTL = time.Minute
	h.o.Sleep = func(ctx context.Context, d time.Duration) error { c.both(d); return ctx.Err() }
	return h, h.other(), h.other(), c
}

func TestALeaseIsHeldRenewedAndReleased(t *testing.T) {
	h, one, two, c := leases(t)
	ls := must(one.Acquire(h.ctx, "one", 0))(t)
	for range 5 {
		c.both(50 * time.Second)
		if left := ls.Remaining(); left != 10*time.Second {
			t.Errorf("it still holds for %s", left)
		}
		if err := ls.Renew(h.ctx); err != nil {
			t.Fatal(err)
		}
	}
	if holder, _, err := two.Holder(h.ctx); holder != "one" || err != nil {
		t.Errorf("held by %q (%v)", holder, err)
	}
	for range 2 {
		if err := ls.Release(h.ctx); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, ls.Check(), ErrLeaseLost)
	before := c.mono
	must(two.Acquire(h.ctx, "two", time.Hour))(t)
	if c.mono != before {
		t.Error("a lease that was released is taken without waiting")
	}
	if err := get(h, leaseKey); err != nil {
		t.Errorf("the lease was deleted: %v", err)
	}
}

func TestALeaseIsWatchedForItsWholeTimeBeforeItIsTakenOver(t *testing.T) {
	h, one, two, c := leases(t)
	first := must(one.Acquire(h.ctx, "one", 0))(t) // and dies
	second := must(two.Acquire(h.ctx, "two", 30*time.Second))(t)
	if c.mono < 90*time.Second {
		t.Errorf("taken over after %s, before the lease and the longest request were over", c.mono)
	}
	wants(t, first.Check(), ErrLeaseLost)
	if err := first.Release(h.ctx); err != nil { // it is another's now
		t.Fatal(err)
	}
	if err := second.Renew(h.ctx); err != nil {
		t.Error(err)
	}
}

func TestALeaseThatIsRenewedIsLeftAlone(t *testing.T) {
	h, one, _, c := leases(t)
	ls := must(one.Acquire(h.ctx, "one", 0))(t)
	h.o.Sleep = func(context.Context, time.Duration) error {
		c.both(6 * time.Second)
		return ls.Renew(h.ctx)
	}
	start := c.mono
	_, err := h.other().Acquire(h.ctx, "two", 0)
	wants(t, err, ErrLeaseHeld)
	if c.mono-start < time.Minute || fault.CodeOf(err) != "lease_held" {
		t.Errorf("refused after %s: %v", c.mono-start, err)
	}
}

func TestALeaseIsLostWhenEitherClockSaysSo(t *testing.T) {
	for name, pass := range map[string]func(*hours){
		"the machine slept":        func(c *hours) { c.wall += time.Minute },
		"the wall clock was reset": func(c *hours) { c.mono += time.Minute; c.wall -= time.Hour },
	} {
		h, one, _, c := leases(t)
		ls := must(one.Acquire(h.ctx, "one", 0))(t)
		pass(c)
		if err := ls.Check(); err == nil || ls.Remaining() != 0 {
			t.Errorf("%s: %v, %s left", name, err, ls.Remaining())
		}
		c.wall, c.mono = 0, 0
		wants(t, ls.Renew(h.ctx), ErrLeaseLost) // once lost it stays lost
	}
}

func TestALeaseThatAnotherTookIsLost(t *testing.T) {
	h, one, two, _ := leases(t)
	ls := must(one.Acquire(h.ctx, "one", 0))(t)
	there, etag, err := two.readLease(h.ctx)
	if err != nil || there.Holder != "one" {
		t.Fatal(there, err)
	}
	must(two.take(h.ctx, "two", etag))(t)
	wants(t, ls.Renew(h.ctx), ErrLeaseLost)
	if late, err := one.take(h.ctx, "one", etag); late != nil || err != nil {
		t.Errorf("taken with an old ETag: %v, %v", late, err)
	}
}

// Equal bytes have equal ETags, so two renewals must never be equal.
func TestEverySwappedObjectHasANonce(t *testing.T) {
	h, one, _, _ := leases(t)
	ls := must(one.Acquire(h.ctx, "one", 0))(t)
	pin := must(one.PinHead(h.ctx))(t)
	seen := map[string]bool{}
	for range 5 {
		for key, renew := range map[string]func(context.Context) error{leaseKey: ls.Renew, pin.key: pin.Renew} {
			if err := renew(h.ctx); err != nil {
				t.Fatal(err)
			}
			data, _, err := h.st.Get(h.ctx, key)
			var there struct{ Nonce string }
			if json.Unmarshal(data, &there) != nil || err != nil || there.Nonce == "" || seen[there.Nonce] {
				t.Errorf("%s holds %s (%v)", key, data, err)
			}
			seen[there.Nonce] = true
		}
	}
}

func TestALeaseWithoutAnAnswerIsAskedAgain(t *testing.T) {
	st := newTap()
	h := newHands(t, st)
	for _, landed := range []bool{true, false} {
		puts := 0
		st.put = func(_ string, _ []byte, do func() error) error {
			if puts++; puts > 1 {
				return do()
			}
			if landed {
				_ = do()
			}
			return noAnswer()
		}
		ls := must(h.other().Acquire(h.ctx, "me", 0))(t)
		st.put = nil
		if err := ls.Release(h.ctx); err != nil {
			t.Fatal(err)
		}
	}
}
