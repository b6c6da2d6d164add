package world

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds of faults. Those named "before" have no effect in the system.
const (
	Throttle     Kind = "throttle"      // before: 429, Retry-After in seconds
	ThrottleDate Kind = "throttle_date" // before: 429, Retry-After as an HTTP date
	ThrottleBare Kind = "throttle_bare" // before: 429 without Retry-After
	Unavailable  Kind = "unavailable"   // before: Status (503); with Count a burst
	HTML         Kind = "html"          // before: a maintenance page with status 200
	Reset        Kind = "reset"         // before: the connection is reset without a byte

	TimeoutBefore Kind = "timeout_before" // before: no answer
	TimeoutAfter  Kind = "timeout_after"  // writes: took effect, no answer
	LandsLate     Kind = "lands_late"     // writes: no answer, takes effect at the next Advance or Live
	ErrorAfter    Kind = "error_after"    // writes: took effect, answered Status (500)

	SavedError      Kind = "saved_error"       // keyed writes: no effect, and a 500 that the key replays
	SavedErrorAfter Kind = "saved_error_after" // keyed writes: took effect, and a 500 that the key replays

	Truncate Kind = "truncate" // the connection breaks within the body
	Cut      Kind = "cut"      // half of the body as a whole answer: only the JSON shows it

	Slow     Kind = "slow"      // the answer comes after Delay
	NoAccess Kind = "no_access" // by ID: the record is said not to exist, as for a client that may not see it

	Malform Kind = "malform" // listings: one record has a value that is none
	Repeat  Kind = "repeat"  // later pages: the last row of the page before stands here again
	Omit    Kind = "omit"    // listings: a row is left out
	Empty   Kind = "empty"   // listings: nothing is there, as if a partition had vanished
	Lag     Kind = "lag"     // listings: as everything was Lag ago
	Stale   Kind = "stale"   // by ID: as the record was Lag ago

	Normalise Kind = "normalise" // writes: values are kept shortened, folded or rounded
	Defaults  Kind = "defaults"  // creates: what was not sent is filled in

	Shift  Kind = "shift"  // later pages: somebody edits a row of an earlier page first
	Vanish Kind = "vanish" // reads: a random record is silently deleted first
	Rekey  Kind = "rekey"  // reads: somebody gives a random record another key first
	Remake Kind = "remake" // reads: somebody deletes a random record and makes it again, with a new ID
	Revive Kind = "revive" // reads: somebody brings a deleted record back, with its old ID

	Skew Kind = "skew" // versions, by people and clients: the system's clock is off by Skew
)

// Call is what a request asks for.
type Call string

// The calls that systems know.
const (
	CallList     Call = "list"
	CallSearch   Call = "search"
	CallGet      Call = "get"
	CallCreate   Call = "create"
	CallUpdate   Call = "update"
	CallDelete   Call = "delete"
	CallLodgings Call = "lodgings"
	CallOther    Call = "other"

	callStamp Call = "stamp" // no request: a version gets its time
)

func (c Call) writes() bool { return c == CallCreate || c == CallUpdate || c == CallDelete }

// Fault is something that goes wrong, by script (Nth) or by dice (Rate). Of
// several that would hit one request the first in the list does; a scripted one
// then waits for the next request that fits.
type Fault struct {
	Kind   Kind   `json:"kind"`
	System string `json:"system,omitempty"` // "" means all
	Entity string `json:"entity,omitempty"` // "" means all
	Call   Call   `json:"call,omitempty"`   // "" means all that the kind fits
	Method string `json:"method,omitempty"` // "" means all
	Path   string `json:"path,omitempty"`   // a pattern of path.Match; "" means all

	Nth   int     `json:"nth,omitempty"`   // from the Nth fitting request on, counting from 1
	Rate  float64 `json:"rate,omitempty"`  // share of fitting requests; not with Nth
	Count int     `json:"count,omitempty"` // how many fitting requests in a row; default 1

	Status     int           `json:"status,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"` // nanoseconds in JSON, as all durations; default 1s
	Delay      time.Duration `json:"delay,omitempty"`       // of Slow; default 1s
	Lag        time.Duration `json:"lag,omitempty"`         // of Lag and Stale; default 5m
	Skew       time.Duration `json:"skew,omitempty"`        // of Skew; may be negative; default 90s
	Field      string        `json:"field,omitempty"`       // of Normalise; "" is any
	How        Fold          `json:"how,omitempty"`         // of Normalise; "" is any that fits
}

// String names the fault for messages.
func (f Fault) String() string {
	where := strings.Join(strings.Fields(f.Entity+" "+f.System+" "+string(f.Call)+" "+f.Method+" "+f.Path), " ")
	if f.Nth > 0 {
		return fmt.Sprintf("%s at %d (%s), %d times", f.Kind, f.Nth, where, f.Count)
	}
	return fmt.Sprintf("%s at rate %g (%s)", f.Kind, f.Rate, where)
}

// check refuses a fault that could never fire.
func (f Fault) check() error {
	_, known := kinds()[f.Kind]
	switch {
	case !known:
		return fmt.Errorf("fault %q: no such kind", f.Kind)
	case (f.Nth > 0) == (f.Rate > 0):
		return fmt.Errorf("fault %q: give it either nth or rate", f.Kind)
	case f.Rate < 0 || f.Rate > 1 || f.Nth < 0 || f.Count < 0:
		return fmt.Errorf("fault %q: rate is between 0 and 1, nth and count are not negative", f.Kind)
	case f.System != "" && !slices.Contains(Systems(), f.System):
		return fmt.Errorf("fault %q: no system %q", f.Kind, f.System)
	case f.Entity != "" && !slices.Contains(Entities(), f.Entity):
		return fmt.Errorf("fault %q: no entity %q", f.Kind, f.Entity)
	case f.How != "" && folds()[f.How] == nil:
		return fmt.Errorf("fault %q: no way %q to keep a value", f.Kind, f.How)
	}
	if _, err := path.Match(f.Path, "/"); err != nil {
		return fmt.Errorf("fault %q: path %q: %w", f.Kind, f.Path, err)
	}
	return nil
}

// kinds says to which calls a kind can happen.
func kinds() map[Kind]func(*call) bool {
	every := func(*call) bool { return true }
	write := func(c *call) bool { return c.kind.writes() }
	keyed := func(c *call) bool { return c.kind.writes() && c.shelf.sys.keys && c.key() != "" }
	body := func(c *call) bool { return c.kind != CallDelete }
	reads := func(c *call) bool { return !c.kind.writes() }
	lists := func(c *call) bool { return c.kind == CallList }
	is := func(kinds ...Call) func(*call) bool {
		return func(c *call) bool { return slices.Contains(kinds, c.kind) }
	}
	return map[Kind]func(*call) bool{
		Throttle: every, ThrottleDate: every, ThrottleBare: every, Unavailable: every, HTML: every, Reset: every,
		TimeoutBefore: every, TimeoutAfter: write, LandsLate: write, ErrorAfter: write,
		SavedError: keyed, SavedErrorAfter: keyed, Truncate: body, Cut: body,
		Slow: every, NoAccess: is(CallGet, CallUpdate, CallDelete), Malform: lists, Repeat: (*call).laterPage, Omit: lists, Empty: lists,
		Lag: lists, Stale: is(CallGet), Normalise: is(CallCreate, CallUpdate), Defaults: is(CallCreate),
		Shift: (*call).laterPage, Vanish: reads, Rekey: reads, Remake: reads, Revive: reads, Skew: is(callStamp),
	}
}

// matches reports whether the fault fits a request.
func (f Fault) matches(c *call) bool {
	if f.System != "" && f.System != c.system || f.Entity != "" && f.Entity != c.entity() ||
		f.Call != "" && f.Call != c.kind || f.Method != "" && f.Method != c.method || (f.Kind == Skew) != (c.kind == callStamp) {
		return false
	}
	if f.Path != "" {
		if ok, err := path.Match(f.Path, c.path); err != nil || !ok {
			return false
		}
	}
	return kinds()[f.Kind](c)
}

// Rough is weather in which every kind of fault happens now and then: rate is the
// share of requests that each kind hits.
func Rough(rate float64) []Fault {
	var all []Fault
	for _, k := range []Kind{Throttle, ThrottleDate, ThrottleBare, HTML, Reset, TimeoutBefore, TimeoutAfter,
		ErrorAfter, SavedError, SavedErrorAfter, Truncate, Cut, Shift} {
		all = append(all, Fault{Kind: k, Rate: rate})
	}
	return append(all, Fault{Kind: Unavailable, Rate: rate, Count: 3})
}

// Harsh is Rough, and systems that answer slowly, show old states, leave out rows,
// show some twice, and break single records.
func Harsh(rate float64) []Fault {
	all := append(Rough(rate), Fault{Kind: Slow, Rate: rate, Delay: 50 * time.Millisecond})
	for _, k := range []Kind{Malform, Repeat, Omit, Lag, Stale} {
		all = append(all, Fault{Kind: k, Rate: rate})
	}
	return all
}

// FaultCount is a fault and how often it fitted and fired.
type FaultCount struct {
	Fault   Fault `json:"fault"`
	Fitting int   `json:"fitting"`
	Fired   int   `json:"fired"`
	left    int   // of a burst that began
}

// weather decides which request a fault hits.
type weather struct {
	dice   func(purpose string, n int64) *rand.Rand
	faults []*FaultCount
	past   []*FaultCount // of lists that were replaced
	round  int           // how many lists there were, so that a new list throws new dice
}

func newWeather(dice func(string, int64) *rand.Rand) weather { return weather{dice: dice} }

func (we *weather) set(faults []Fault) error {
	next := make([]*FaultCount, 0, len(faults))
	for _, f := range faults {
		if err := f.check(); err != nil {
			return err
		}
		if f.Count == 0 {
			f.Count = 1
		}
		next = append(next, &FaultCount{Fault: f})
	}
	we.past = append(we.past, we.faults...)
	we.faults = next
	we.round++
	return nil
}

// pick is the fault that hits the request, or nil. Every fitting fault counts it.
func (we *weather) pick(c *call) *Fault {
	var hit *Fault
	for i, f := range we.faults {
		if !f.Fault.matches(c) {
			continue
		}
		f.Fitting++
		if !we.due(i, f) || hit != nil {
			continue
		}
		hit = &f.Fault
		f.Fired++
		f.left = max(f.left-1, 0)
	}
	return hit
}

func (we *weather) due(i int, f *FaultCount) bool {
	if f.Fault.Nth > 0 {
		return f.Fitting >= f.Fault.Nth && f.Fired < f.Fault.Count
	}
	if f.left == 0 && we.dice(fmt.Sprintf("fault/%d/%d", we.round, i), int64(f.Fitting)).Float64() < f.Fault.Rate {
		f.left = f.Fault.Count
	}
	return f.left > 0
}

// skew is how far the clock of a system is off for its next version.
func (we *weather) skew(s *shelf) time.Duration {
	f := we.pick(&call{system: s.sys.name, shelf: s, kind: callStamp})
	if f == nil {
		return 0
	}
	return cmp.Or(f.Skew, 90*time.Second)
}

// SetFaults replaces the list of faults. Scripted ones that did not fire are still
// reported by Unfired.
func (w *World) SetFaults(faults ...Fault) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.weather.set(faults)
}

// Unfired lists the scripted faults that did not fire as often as they should
// have: a test that planned them tested something else.
func (w *World) Unfired() []Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Fault
	for _, f := range slices.Concat(w.weather.past, w.weather.faults) {
		if f.Fault.Nth > 0 && f.Fired < f.Fault.Count {
			out = append(out, f.Fault)
		}
	}
	return out
}

// FaultCounts lists all faults, also of replaced lists, with their counts.
func (w *World) FaultCounts() []FaultCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Concat(w.weather.past, w.weather.faults)
	out := make([]FaultCount, 0, len(all))
	for _, f := range all {
		out = append(out, *f)
	}
	return out
}

// before is the answer of a fault that keeps the request from the system.
func (f *Fault) before(now time.Time) (answer, bool) {
	switch f.Kind {
	case Throttle, ThrottleDate, ThrottleBare:
		return f.throttled(now), true
	case Unavailable:
		return plain(cmp.Or(f.Status, http.StatusServiceUnavailable), "text/plain", "upstream is not available\n"), true
	case HTML:
		return plain(http.StatusOK, "text/html; charset=utf-8",
			"<!doctype html><html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"), true
	case TimeoutBefore, LandsLate:
		return answer{wire: dropped}, true
	case Reset:
		return answer{wire: reset}, true
	}
	return answer{}, false
}

func (f *Fault) throttled(now time.Time) answer {
	a := plain(http.StatusTooManyRequests, "text/plain", "slow down\n")
	wait := max(cmp.Or(f.RetryAfter, time.Second), time.Second)
	switch f.Kind {
	case Throttle:
		a.header.Set("Retry-After", fmt.Sprintf("%d", int(wait.Round(time.Second).Seconds())))
	case ThrottleDate:
		// Dates have whole seconds: rounded up, so that the wait is not shorter than asked for.
		a.header.Set("Retry-After", now.Add(wait+time.Second-1).UTC().Truncate(time.Second).Format(http.TimeFormat))
	}
	return a
}

// after spoils the answer of a request that was executed.
func (f *Fault) after(a answer) answer {
	switch f.Kind {
	case Slow:
		a.delay = cmp.Or(f.Delay, time.Second)
	case TimeoutAfter:
		a.wire = dropped
	case ErrorAfter:
		bad := plain(cmp.Or(f.Status, http.StatusInternalServerError), "text/plain", "something went wrong\n")
		bad.effect = a.effect
		return bad
	case Truncate:
		a.wire = truncated
	case Cut:
		a.wire = cut
	}
	return a
}
