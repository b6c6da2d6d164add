package lake

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/pipeline/store"
)

// Options are what a lake takes from outside. The zero value works.
type Options struct {
	Now   func() time.Time     // wall clock
	Mono  func() time.Duration // a clock that only runs forward and may stand still while the machine sleeps; by default Now's own monotonic reading
	NewID func() string        // a name that was never used before; by default a ULID
	Sleep func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger

	LeaseTTL time.Duration // how long a lease holds without renewal; 60 s
	PinTTL   time.Duration // the same for a reader's pin; 10 min
	Tries    int           // how often a put without an answer is repeated; 20, which is about two minutes
	Parallel int           // manifests written and files deleted at once; 8

	// Probe tries the store's conditions under contention; by default store.Probe.
	Probe func(ctx context.Context, st store.Store) error

	mutant mutation // tests break one rule of the protocol to see that they notice
}

const probePrefix = "probe"

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mono == nil {
		start, now := o.Now(), o.Now
		o.Mono = func() time.Duration { return now().Sub(start) }
	}
	if o.NewID == nil {
		o.NewID = func() string { return ulid.Make().String() }
	}
	if o.Sleep == nil {
		o.Sleep = pace.Sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Probe == nil {
		o.Probe = func(ctx context.Context, st store.Store) error { return store.Probe(ctx, st, probePrefix) }
	}
	o.LeaseTTL = positive(o.LeaseTTL, time.Minute)
	o.PinTTL = positive(o.PinTTL, 10*time.Minute)
	o.Tries = positive(o.Tries, 20)
	o.Parallel = positive(o.Parallel, 8)
	return o
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// backoff is how long to wait after the given try (from 0): full jitter over a
// doubling bound (Brooker, Exponential Backoff and Jitter, AWS Architecture
// Blog, 2015).
func backoff(try int) time.Duration {
	const first, longest = 20 * time.Millisecond, 10 * time.Second
	bound := longest
	if try < 9 {
		bound = min(first<<try, longest)
	}
	return time.Duration(rand.Int64N(int64(bound)) + 1) //nolint:gosec // spreads retries, protects nothing
}

// instant is a moment on both clocks.
type instant struct {
	wall time.Time
	mono time.Duration
}

func (o Options) instant() instant { return instant{wall: o.Now().Round(0), mono: o.Mono()} }

// over reports whether either clock says that d has passed since i. A holder
// asks this: it gives up too early rather than too late.
func (i instant) over(now instant, d time.Duration) bool {
	return now.mono-i.mono >= d || now.wall.Sub(i.wall) >= d
}

// surelyOver reports whether both clocks say that d has passed. A watcher asks
// this: it declares a holder dead too late rather than too early.
func (i instant) surelyOver(now instant, d time.Duration) bool {
	return now.mono-i.mono >= d && now.wall.Sub(i.wall) >= d
}
