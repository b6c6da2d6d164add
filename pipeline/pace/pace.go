// Package pace keeps the requests to one system within what it bears: a rate
// with a burst, a number under way, a share that follows push-back, pauses that
// its answers ask for, a breaker, and retries within a budget. One Gate serves
// all readers and writers of a system. It decides by pure functions of a state
// and an injected clock. It must never send a request itself, repeat one that
// its caller did not call repeatable, or wait past the end of a context.
package pace

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Meter counts what a Gate does. Its methods are called with short intervals
// from many goroutines.
type Meter interface {
	Request(system string, latency time.Duration, failed bool)
	Retry(system string)
	Throttle(system string)
}

// Options describe a system to its Gate.
type Options struct {
	System            string  // for messages and figures
	RequestsPerSecond float64 // default 10
	Burst             int     // default twice the rate, at least 1
	Concurrency       int     // default 4
	Adaptive          bool    // follow push-back below rate and concurrency

	Reserve     int           // of the quota that answers report, what Bulk leaves to others; default 0
	MaxPause    time.Duration // Enter waits at most this long for a pause to end; default 5m
	MaxHint     time.Duration // what headers ask for is clamped to this; default 1h
	RetryShare  float64       // retries that each request earns; default 0.2
	BreakAfter  int           // failures in a row that open the breaker; default 10
	BreakFor    time.Duration // first time that it stays open; default 1s
	BreakAtMost time.Duration // longest time that it stays open; default 1m

	Waits  func(Wait) // told when a request has to wait for more than its turn; may be nil; called from many goroutines
	Clock  Clock
	Random func() float64 // in [0, 1); default math/rand/v2
	Meter  Meter          // may be nil
	Log    *slog.Logger   // may be nil
}

func (o Options) orDefaults() Options {
	o.RequestsPerSecond = positive(o.RequestsPerSecond, 10)
	o.Burst = positive(o.Burst, max(1, int(2*o.RequestsPerSecond)))
	o.Concurrency = positive(o.Concurrency, 4)
	o.MaxPause = positive(o.MaxPause, 5*time.Minute)
	o.MaxHint = positive(o.MaxHint, time.Hour)
	o.RetryShare = positive(o.RetryShare, 0.2)
	o.BreakAfter = positive(o.BreakAfter, 10)
	o.BreakFor = positive(o.BreakFor, time.Second)
	o.BreakAtMost = positive(o.BreakAtMost, time.Minute)
	o.Clock = o.Clock.orReal()
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	if o.Waits == nil {
		o.Waits = func(Wait) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Wait is why a request to a system is not sent now.
type Wait struct {
	System string
	Why    string // what asked for it: "429", "503", "no answer", "circuit open: the last requests all failed"
	Until  time.Time
}

type noMeter struct{}

func (noMeter) Request(string, time.Duration, bool) {}
func (noMeter) Retry(string)                        {}
func (noMeter) Throttle(string)                     {}

// Gate is the one way to a system. It is safe for concurrent use.
type Gate struct {
	o    Options
	rate *rate.Limiter

	mu       sync.Mutex
	slots    slots
	adaptive *adaptive
	breaker  breaker
	budget   *budget
	paused   [2]time.Time // by Class: no request before
	asked    string       // what asked for the last pause
}

// New makes the gate of a system.
func New(o Options) *Gate {
	o = o.orDefaults()
	now := o.Clock.Now()
	return &Gate{
		o:        o,
		rate:     rate.NewLimiter(rate.Limit(o.RequestsPerSecond), o.Burst),
		adaptive: newAdaptive(o.Adaptive, now),
		breaker:  breaker{threshold: o.BreakAfter, first: o.BreakFor, most: o.BreakAtMost},
		budget:   newBudget(o.RetryShare, now),
	}
}

// Pass is the leave to send one request. Exactly one of Leave and Abandon ends it.
type Pass struct {
	gate  *Gate
	probe bool
	began time.Time
	once  sync.Once
}

// Enter waits until a request may be sent. Its errors are ctx's, or of kind
// Transient with RetryAfter: the breaker is open, or a pause lasts longer than
// MaxPause. Nothing was sent then.
func (g *Gate) Enter(ctx context.Context, c Class) (*Pass, error) {
	for token := false; ; token = true {
		if err := g.awaitPause(ctx, c); err != nil {
			return nil, err
		}
		if err := g.slot(ctx, c); err != nil {
			return nil, err
		}
		if !token {
			if err := g.token(ctx); err != nil {
				g.release()
				return nil, err
			}
		}
		pass, err := g.admit(c)
		if pass == nil {
			g.release()
		}
		if pass != nil || err != nil {
			return pass, err
		}
	}
}

// admit is the last look: a pause or a failure may have come while the caller
// waited for its token. Neither a pass nor an error: a pause has begun.
func (g *Gate) admit(c Class) (*Pass, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Clock.Now()
	if now.Before(g.paused[c]) {
		return nil, nil
	}
	ok, probe, again := g.breaker.enter(now)
	if !ok {
		return nil, g.wait("circuit open: the last requests all failed", again)
	}
	return &Pass{gate: g, probe: probe, began: now}, nil
}

// wait is the error that says when to come back.
func (g *Gate) wait(why string, again time.Duration) error {
	return &fault.Error{
		Kind: fault.Transient, Op: "request to " + g.o.System + " not sent",
		Where: fault.Place{System: g.o.System}, Err: waitError(why), RetryAfter: again, Code: fault.CodeCircuitOpen,
		Help: "run again after " + again.Round(time.Second).String(),
		Note: "nothing was sent; what is stored stays, and the next run goes on from there",
	}
}

type waitError string

func (e waitError) Error() string { return string(e) }

func (g *Gate) awaitPause(ctx context.Context, c Class) error {
	for {
		g.mu.Lock()
		until, why := g.paused[c], g.asked
		g.mu.Unlock()
		d := until.Sub(g.o.Clock.Now())
		if d > g.o.MaxPause {
			return g.wait("the system asked for a pause", d)
		}
		if d > 0 {
			g.o.Waits(Wait{g.o.System, why, until})
		}
		if err := g.o.Clock.Wait(ctx, d); err != nil || d <= 0 {
			return err
		}
	}
}

// token waits for its turn within the rate.
func (g *Gate) token(ctx context.Context) error {
	now := g.o.Clock.Now()
	r := g.rate.ReserveN(now, 1)
	if err := g.o.Clock.Wait(ctx, r.DelayFrom(now)); err != nil {
		r.CancelAt(g.o.Clock.Now())
		return err
	}
	return nil
}

// Result is how a request ended, as far as the pace is concerned.
type Result struct {
	Status    int  // of the answer, for messages; 0: there was none, or it has no such thing
	Failed    bool // a fault of the system or of the way to it: 5xx, reset, time-out
	Throttled bool // the system asked for less: 429, 503 with Retry-After
	Hints     Hints
}

// Leave records how the request ended. Later calls do nothing.
func (p *Pass) Leave(r Result) {
	p.once.Do(func() { p.gate.leave(p, r) })
}

// Abandon ends a pass whose request was never sent. Its token is spent: whether
// the system would have counted a connection cannot be known.
func (p *Pass) Abandon() {
	p.once.Do(func() {
		g := p.gate
		g.mu.Lock()
		defer g.mu.Unlock()
		g.breaker.abandon(p.probe)
		g.slots.give(g.limit())
	})
}

func (g *Gate) leave(p *Pass, r Result) {
	now := g.o.Clock.Now()
	g.o.Meter.Request(g.o.System, now.Sub(p.began), r.Failed)
	if r.Throttled {
		g.o.Meter.Throttle(g.o.System)
	}
	if r.Hints.Absurd != "" {
		g.o.Log.Warn("a rate-limit header is absurd", "system", g.o.System, "header", r.Hints.Absurd)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.breaker.leave(now, p.probe, r.Failed)
	g.budget.request(now)
	if r.Throttled || r.Failed {
		g.adaptive.pushback(now)
	} else {
		g.adaptive.success(now)
	}
	g.rate.SetLimitAt(now, rate.Limit(g.adaptive.share*g.o.RequestsPerSecond))
	g.obey(now, r)
	g.slots.give(g.limit())
}

// reason names what asks for a wait.
func reason(r Result) string {
	if r.Status == 0 {
		return "no answer"
	}
	return strconv.Itoa(r.Status)
}

// obey turns hints into pauses: everybody waits until Retry-After and for a
// quota that is used up; bulk reads stop while the reserve is left.
func (g *Gate) obey(now time.Time, r Result) {
	h := r.Hints
	if r.Throttled {
		g.pause(now.Add(h.RetryAfter), reason(r), Bulk, Urgent)
	}
	if !h.HasRemaining || h.Reset <= 0 {
		return
	}
	if h.Remaining == 0 {
		g.pause(now.Add(h.Reset), "quota used up", Bulk, Urgent)
	} else if h.Remaining <= g.o.Reserve {
		g.pause(now.Add(h.Reset), "quota nearly used up", Bulk)
	}
}

func (g *Gate) pause(until time.Time, why string, classes ...Class) {
	for _, c := range classes {
		if until.After(g.paused[c]) {
			g.paused[c], g.asked = until, why
		}
	}
}

// Pause lets no request through before until.
func (g *Gate) Pause(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pause(until, "pause", Bulk, Urgent)
}

// Hints reads the headers of an answer with the gate's clock and clamp.
func (g *Gate) Hints(h map[string][]string) Hints {
	return ReadHints(h, g.o.Clock.Now(), g.o.MaxHint)
}

// Now is the gate's clock.
func (g *Gate) Now() time.Time { return g.o.Clock.Now() }
