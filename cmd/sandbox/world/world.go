package world

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// Options shape a world. The zero value is an empty world with defaults.
type Options struct {
	Seed    uint64
	Records int       // bookings at the start, over both systems
	Start   time.Time // of simulated time; default 2026-03-02T08:00:00Z

	PMSToken   string        // bearer token; default "pms-token"
	StaybnbKey string        // API key; default "staybnb-key"
	Retention  time.Duration // of idempotency keys, in simulated time; default 24h
	FirstID    int64         // of the PMS; default 4001. Above 2^53 it finds clients that read numbers as floats
	LooseCodes bool          // the PMS accepts a second live booking with a code that it has

	Faults  []Fault
	Journal io.Writer        // every change as a line of JSON, for Restore; may be nil
	Wall    func() time.Time // real time, only for Retry-After dates; default time.Now

	// Watch is told of every request to the systems after it was executed and
	// before its answer goes out, which waits for it. It may call the world. It is
	// called from several goroutines; may be nil.
	Watch func(Request)
}

func (o Options) withDefaults() Options {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	}
	o.Start = o.Start.UTC().Truncate(time.Millisecond) // what the APIs can show
	if o.PMSToken == "" {
		o.PMSToken = "pms-token"
	}
	if o.StaybnbKey == "" {
		o.StaybnbKey = "staybnb-key"
	}
	if o.Retention == 0 {
		o.Retention = 24 * time.Hour
	}
	if o.FirstID == 0 {
		o.FirstID = 4001
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	return o
}

// World is both systems, their people and their truth. All methods may be
// called from several goroutines; each is one step that others see whole.
type World struct {
	opt Options

	mu      sync.Mutex
	now     time.Time
	shelves map[string]*shelf
	version int64 // last version number
	truth   truth
	weather weather
	saved   map[string]savedAnswer // by idempotency key
	late    []lateCall             // requests that execute at the next Advance
	dead    map[string]bool        // keys that a person deleted somewhere
	touched map[string]time.Time   // when a person last edited a key
	journal *journal
}

// New makes a world with its first bookings.
func New(o Options) (*World, error) {
	w := bare(o)
	if err := w.weather.set(w.opt.Faults); err != nil {
		return nil, err
	}
	w.journal.write(entry{Clock: &w.now})
	w.populate(o.Records)
	return w, w.journal.failed()
}

// bare is a world without records.
func bare(o Options) *World {
	o = o.withDefaults()
	w := &World{opt: o, now: o.Start,
		saved: map[string]savedAnswer{}, dead: map[string]bool{}, touched: map[string]time.Time{},
		journal: &journal{to: o.Journal}}
	w.shelves = map[string]*shelf{
		PMS:     newShelf(PMS, o.FirstID-1, func(n int64) string { return strconv.FormatInt(n, 10) }),
		Staybnb: newShelf(Staybnb, 0, func(n int64) string { return fmt.Sprintf("R-%06d", n) }),
	}
	w.weather = newWeather(w.rng)
	return w
}

// Now is simulated time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Advance moves simulated time forward; requests that a fault held back land first.
func (w *World) Advance(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(by)
}

func (w *World) advance(by time.Duration) {
	w.land()
	if by > 0 {
		w.now = w.now.Add(by.Truncate(time.Millisecond))
		w.journal.write(entry{Clock: &w.now})
	}
}

// rng is a source of its own for the n-th use of a purpose, so that one kind of
// event never moves the dice of another.
func (w *World) rng(purpose string, n int64) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d", purpose, n)
	return rand.New(rand.NewPCG(w.opt.Seed, h.Sum64())) //nolint:gosec // G404: the world is reproducible on purpose, nothing here is secret
}

// stamp is the updated-at of the next version of r: now, and always after the
// version before it, so that every change moves it.
func (w *World) stamp(r *Record) time.Time {
	if r != nil {
		if next := r.Now().UpdatedAt.Add(time.Millisecond); next.After(w.now) {
			return next
		}
	}
	return w.now
}

// put is the only way to a new version: of r, or of a new record where r is nil.
func (w *World) put(s *shelf, r *Record, b Booking, st State, cause Cause) *Record {
	w.version++
	v := Version{Number: w.version, UpdatedAt: w.stamp(r), State: st, Booking: b, Cause: cause}
	if r == nil {
		r = s.add(v)
	} else {
		s.push(r, v)
	}
	w.journal.write(entry{Version: &storedVersion{System: s.system, ID: r.ID, Number: r.number, Version: v}})
	return r
}

func (w *World) shelf(system string) (*shelf, error) {
	s, ok := w.shelves[system]
	if !ok {
		return nil, fmt.Errorf("no system %q: there are %q and %q", system, PMS, Staybnb)
	}
	return s, nil
}
