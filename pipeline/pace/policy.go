package pace

import (
	"fmt"
	"time"
)

// Policy says whether and when a request that failed is sent again. It is a
// value: what it answers depends on its arguments alone.
type Policy struct {
	MaxTries   int           // requests in all, the first one included; default 6
	MaxElapsed time.Duration // no retry starts later than this after the first try; default 5m
	Base       time.Duration // upper end of the first wait; default 500ms
	Cap        time.Duration // upper end of every wait of ours; default 30s
}

// OrDefaults fills what is not set.
func (p Policy) OrDefaults() Policy {
	p.MaxTries = positive(p.MaxTries, 6)
	p.MaxElapsed = positive(p.MaxElapsed, 5*time.Minute)
	p.Base = positive(p.Base, 500*time.Millisecond)
	p.Cap = positive(p.Cap, 30*time.Second)
	return p
}

func positive[T int | float64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Try is a failed request as Policy sees it.
type Try struct {
	Number     int           // 1 for the first request
	Elapsed    time.Duration // since the first request began
	RetryAfter time.Duration // what the answer asked for, already clamped; 0: nothing
}

// Decision is what follows a failed try.
type Decision struct {
	Again bool
	Wait  time.Duration
	Why   string // with Again false: which bound was reached
}

// Next decides what follows a try that may be repeated. random is in [0, 1).
// The wait is drawn with full jitter (Brooker, Exponential Backoff and Jitter,
// AWS Architecture Blog, 2015), and is the larger of that and what the answer
// asked for.
func (p Policy) Next(t Try, random float64) Decision {
	p = p.OrDefaults()
	if t.Number >= p.MaxTries {
		return Decision{Why: fmt.Sprintf("gave up after %d tries", t.Number)}
	}
	w := max(time.Duration(random*float64(p.ceiling(t.Number))), t.RetryAfter)
	if t.Elapsed+w > p.MaxElapsed {
		return Decision{Wait: w, Why: fmt.Sprintf("gave up after %d tries: the next one would start %s after the first, allowed are %s",
			t.Number, (t.Elapsed + w).Round(time.Millisecond), p.MaxElapsed)}
	}
	return Decision{Again: true, Wait: w}
}

// ceiling is the upper end of the wait after try n: Base, doubled with each try, at most Cap.
func (p Policy) ceiling(n int) time.Duration {
	c := p.Base
	for i := 1; i < n && c < p.Cap; i++ {
		c *= 2
	}
	return min(c, p.Cap)
}
