package pace

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Hints is what the headers of an answer say about when to come back.
type Hints struct {
	RetryAfter   time.Duration // 0: nothing said
	Remaining    int           // requests left in the current window
	HasRemaining bool
	Reset        time.Duration // until the window begins anew; 0: nothing said
	Absurd       string        // a value that was clamped or ignored, for the log; "": none
}

// ReadHints reads Retry-After (seconds or a date, as RFC 9110 10.2.3),
// Retry-After-Ms, and the rate-limit headers in use: RateLimit-*, X-RateLimit-*,
// X-Rate-Limit-* and the one-line RateLimit of the IETF drafts. Durations are
// clamped to [0, most], and what was clamped is named.
func ReadHints(h http.Header, now time.Time, most time.Duration) Hints {
	r := hintReader{header: h, now: serverNow(h, now), most: most}
	r.retryAfter()
	r.window()
	return r.hints
}

type hintReader struct {
	header http.Header
	now    time.Time
	most   time.Duration
	hints  Hints
}

// serverNow prefers the server's clock: dates in its answer are by that one.
func serverNow(h http.Header, now time.Time) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return now
}

func (r *hintReader) retryAfter() {
	if v := r.header.Get("Retry-After-Ms"); v != "" {
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			r.hints.RetryAfter = r.clamp("Retry-After-Ms", v, f/1000)
			return
		}
	}
	v := strings.TrimSpace(r.header.Get("Retry-After"))
	if v == "" {
		return
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil {
		r.hints.RetryAfter = r.clamp("Retry-After", v, f)
	} else if t, err := http.ParseTime(v); err == nil {
		r.hints.RetryAfter = r.clamp("Retry-After", v, t.Sub(r.now).Seconds())
	} else {
		r.absurd("Retry-After", v, "ignored")
	}
}

func (r *hintReader) window() {
	remaining, reset := r.draft()
	for _, prefix := range []string{"RateLimit-", "X-RateLimit-", "X-Rate-Limit-"} {
		remaining = first(remaining, r.header.Get(prefix+"Remaining"))
		reset = first(reset, r.header.Get(prefix+"Reset-After"), r.header.Get(prefix+"Reset"))
	}
	if n, err := strconv.Atoi(remaining); err == nil && n >= 0 {
		r.hints.Remaining, r.hints.HasRemaining = n, true
	}
	if reset == "" {
		return
	}
	f, err := strconv.ParseFloat(reset, 64)
	if err != nil {
		r.absurd("rate-limit reset", reset, "ignored")
		return
	}
	r.hints.Reset = r.clamp("rate-limit reset", reset, r.untilReset(f))
}

// untilReset reads the three ways a reset is written: seconds from now, epoch
// seconds, epoch milliseconds. They do not overlap for a thousand years.
func (r *hintReader) untilReset(f float64) float64 {
	switch {
	case f >= 1e11:
		return f/1000 - float64(r.now.UnixMilli())/1000
	case f >= 1e9:
		return f - float64(r.now.UnixMilli())/1000
	default:
		return f
	}
}

// draft reads `RateLimit: "default";r=50;t=30` and `limit=100, remaining=50, reset=30`.
func (r *hintReader) draft() (remaining, reset string) {
	split := func(c rune) bool { return c == ';' || c == ',' }
	for _, part := range strings.FieldsFunc(r.header.Get("RateLimit"), split) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "r", "remaining":
			remaining = value
		case "t", "reset":
			reset = value
		}
	}
	return remaining, reset
}

func (r *hintReader) clamp(name, text string, seconds float64) time.Duration {
	switch {
	case math.IsNaN(seconds):
		r.absurd(name, text, "ignored")
		return 0
	case seconds < 0:
		return 0 // a date that has just passed is what a slow answer looks like
	case seconds > r.most.Seconds():
		r.absurd(name, text, "taken as "+r.most.String())
		return r.most
	}
	return time.Duration(seconds * float64(time.Second))
}

func (r *hintReader) absurd(name, text, what string) {
	if len(text) > 40 {
		text = text[:40]
	}
	r.hints.Absurd = fmt.Sprintf("%s %q %s", name, text, what)
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return strings.TrimSpace(t)
		}
	}
	return ""
}
