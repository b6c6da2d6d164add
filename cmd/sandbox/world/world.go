package world

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options shape a world. The zero value is an empty world with defaults.
type Options struct {
	Seed    uint64
	Records int       // bookings at the start, over all systems
	Whole   bool      // all systems and entities; otherwise bookings in the PMS and at staybnb
	Only    []string  // of a whole world: the entities that it has; default all
	Start   time.Time // of simulated time; default 2026-03-02T08:00:00Z

	Credentials map[string]string // by system; default "<system>-token", of voyago "voyago:token" (user and password)
	Retention   time.Duration     // of idempotency keys, in simulated time; default 24h
	FirstID     int64             // of the PMS's bookings; default 4001. Above 2^53 it finds clients that read numbers as floats
	LooseCodes  bool              // the PMS accepts a second live booking with a code that it has

	Faults  []Fault
	Journal io.Writer        // every change as a line of JSON, for Restore; may be nil
	Wall    func() time.Time // real time, only for Retry-After dates; default time.Now

	// Wait lets a slow answer wait; default: in real time, or until the client has gone.
	Wait func(ctx context.Context, d time.Duration)

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
	credentials := map[string]string{}
	for _, system := range Systems() {
		credentials[system] = cmp.Or(o.Credentials[system], defaultCredential(system))
	}
	o.Credentials = credentials
	if o.Retention == 0 {
		o.Retention = 24 * time.Hour
	}
	if o.FirstID == 0 {
		o.FirstID = 4001
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Wait == nil {
		o.Wait = waitReally
	}
	return o
}

func defaultCredential(system string) string {
	if system == Voyago {
		return "voyago:token"
	}
	return system + "-token"
}

func waitReally(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// World is the systems, their people and their truth. All methods may be
// called from several goroutines; each is one step that others see whole.
type World struct {
	opt Options

	systems  []*system
	entities []*entity
	shelves  []*shelf // by system, then entity, as they are declared

	mu      sync.Mutex
	now     time.Time
	version int64 // last version number
	truth   truth
	weather weather
	saved   map[string]savedAnswer // by system and idempotency key
	late    []lateCall             // requests that execute at the next Advance
	dead    map[subject]bool       // what a person deleted somewhere
	touched map[subject]time.Time  // when a person last edited it
	journal *journal
}

// subject is what records of several systems are about.
type subject struct{ entity, key string }

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
		saved: map[string]savedAnswer{}, dead: map[subject]bool{}, touched: map[subject]time.Time{},
		journal: &journal{to: o.Journal}}
	w.systems, w.entities = systems(), entities()
	if !o.Whole {
		w.systems, w.entities = w.systems[:2], w.entities[:1]
	}
	if len(o.Only) > 0 {
		w.entities = slices.DeleteFunc(w.entities, func(e *entity) bool { return !slices.Contains(o.Only, e.name) })
	}
	for _, sys := range w.systems {
		for i := range sys.collections {
			w.stock(sys, &sys.collections[i])
		}
	}
	w.weather = newWeather(w.rng)
	return w
}

// stock makes the shelf of a collection, where its entity is part of the world.
func (w *World) stock(sys *system, col *collection) {
	at := slices.IndexFunc(w.entities, func(e *entity) bool { return e.name == col.entity })
	if at < 0 {
		return
	}
	last := int64(0)
	if sys.name == PMS && col.entity == Bookings {
		last = w.opt.FirstID - 1
		col.unique = !w.opt.LooseCodes
	}
	w.shelves = append(w.shelves, newShelf(sys, col, w.entities[at], last))
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

// stamp is the updated-at of the next version of r: now by the clock of its
// system, and always after the version before it, so that every change moves it.
func (w *World) stamp(s *shelf, r *Record) time.Time {
	now := w.now.Add(w.weather.skew(s))
	if r != nil {
		if next := r.Now().UpdatedAt.Add(time.Millisecond); next.After(now) {
			return next
		}
	}
	return now
}

// put is the only way to a new version: of r, or of a new record where r is nil.
func (w *World) put(s *shelf, r *Record, v Version) *Record {
	w.version++
	v.Number, v.UpdatedAt = w.version, w.stamp(s, r)
	if r == nil {
		r = s.add(v)
	} else {
		s.push(r, v)
	}
	w.journal.write(entry{Version: &storedVersion{System: r.System, Entity: r.Entity, ID: r.ID, Number: r.number, Version: v}})
	return r
}

// shelf finds the records of an entity in a system.
func (w *World) shelf(entity, system string) (*shelf, error) {
	for _, s := range w.shelves {
		if s.sys.name == system && s.ent.name == entity {
			return s, nil
		}
	}
	var names []string
	for _, s := range w.shelves {
		names = append(names, s.ent.name+"@"+s.sys.name)
	}
	return nil, fmt.Errorf("no %s@%s in this world: there are %s", entity, system, strings.Join(names, ", "))
}

// shelvesOf lists the shelves of an entity.
func (w *World) shelvesOf(entity string) []*shelf {
	var out []*shelf
	for _, s := range w.shelves {
		if s.ent.name == entity {
			out = append(out, s)
		}
	}
	return out
}
