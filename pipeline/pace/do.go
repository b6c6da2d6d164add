package pace

import (
	"context"
	"errors"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Attempt is what one request gave. Err nil: done. Again says that the request
// is safe to repeat and that repeating may help; only the caller can know.
type Attempt struct {
	Err   error
	Again bool
	Result
}

// Do sends a request through the gate until it is done, must not be repeated,
// or the policy or the system's retry budget is at its end; then it returns the
// last error, whose kind is kept. A request that the gate did not let through
// counts as no try; its wait counts as time.
func (g *Gate) Do(ctx context.Context, c Class, p Policy, send func(context.Context) Attempt) error {
	began := g.o.Clock.Now()
	for n := 1; ; {
		a, sent := g.once(ctx, c, send)
		if a.Err == nil || !a.Again || ctx.Err() != nil {
			return a.Err
		}
		t := Try{Number: n, Elapsed: g.o.Clock.Now().Sub(began), RetryAfter: a.Hints.RetryAfter}
		if !sent {
			t.Number, t.RetryAfter = 1, fault.RetryAfterOf(a.Err)
		}
		d := p.Next(t, g.o.Random())
		if sent && d.Again && !g.mayRetry() {
			d = Decision{Wait: d.Wait, Why: "the system's retry budget is used up"}
		}
		if !d.Again {
			return gaveUp(a.Err, d)
		}
		if sent {
			n++
			g.o.Meter.Retry(g.o.System)
			g.o.Log.Debug("request failed and is sent again", "system", g.o.System, "try", n, "wait", d.Wait, "error", a.Err)
		}
		if d.Wait > 0 {
			g.o.Waits(Wait{g.o.System, whyAgain(a, sent), g.o.Clock.Now().Add(d.Wait)})
		}
		if err := g.o.Clock.Wait(ctx, d.Wait); err != nil {
			return err
		}
	}
}

// whyAgain names what a request is sent again for.
func whyAgain(a Attempt, sent bool) string {
	var w waitError
	if !sent && errors.As(a.Err, &w) {
		return w.Error()
	}
	return reason(a.Result)
}

// once is one try. sent is false if the gate let nothing through.
func (g *Gate) once(ctx context.Context, c Class, send func(context.Context) Attempt) (a Attempt, sent bool) {
	pass, err := g.Enter(ctx, c)
	if err != nil {
		return Attempt{Err: err, Again: fault.KindOf(err) == fault.Transient}, false
	}
	defer pass.Abandon() // does nothing after Leave: it is for a send that panics
	a = send(ctx)
	pass.Leave(a.Result)
	return a, true
}

func (g *Gate) mayRetry() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.budget.retry(g.o.Clock.Now())
}

// gaveUp keeps the error's kind, place and advice, and says why nobody tries again.
func gaveUp(err error, d Decision) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return fmt.Errorf("%w (%s)", err, d.Why)
	}
	g := *f
	g.Err = fmt.Errorf("%w (%s)", f.Err, d.Why)
	g.RetryAfter = max(f.RetryAfter, d.Wait)
	return &g
}
