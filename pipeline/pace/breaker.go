package pace

import "time"

// breaker stops the requests to a system that fails every time: after a number
// of failures in a row it is open for a while, then lets one request through,
// and closes when that one succeeds. Each failed probe doubles the while. It is
// a state machine over the times it is given; Gate guards it.
type breaker struct {
	threshold   int
	first, most time.Duration
	failures    int
	open        time.Duration // how long it stays open; 0: closed
	until       time.Time
	probing     bool
	probeEnds   time.Time
}

// probePoll is how often those who wait for a probe ask again.
const probePoll = time.Second

// enter reports whether a request may go and whether it is the probe, or else
// when to ask again. A probe whose caller never reports back blocks the others
// for the longest while only.
func (b *breaker) enter(now time.Time) (ok, probe bool, again time.Duration) {
	switch {
	case b.open == 0:
		return true, false, 0
	case now.Before(b.until):
		return false, false, b.until.Sub(now)
	case b.probing && now.Before(b.probeEnds):
		return false, false, probePoll
	default:
		b.probing, b.probeEnds = true, now.Add(b.most)
		return true, true, 0
	}
}

// leave records how a request ended. Of the failures while it is open only the
// probe's counts: the others were under way before.
func (b *breaker) leave(now time.Time, probe, failed bool) {
	if !failed {
		b.failures, b.open, b.probing = 0, 0, false
		return
	}
	b.failures++
	switch {
	case b.open == 0 && b.failures >= b.threshold:
		b.trip(now, b.first)
	case b.open > 0 && probe:
		b.trip(now, min(2*b.open, b.most))
	}
}

// abandon takes back a request that was let through and never sent.
func (b *breaker) abandon(probe bool) {
	if probe {
		b.probing = false
	}
}

func (b *breaker) trip(now time.Time, d time.Duration) {
	b.open, b.until, b.probing = d, now.Add(d), false
}
