package world

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Mix weighs what people do in Live. In the zero value each entity has its own
// habits.
type Mix struct {
	Authority int // a field is edited where its authority is
	Other     int // a field is edited where its authority is not: it will be overridden
	Both      int // two systems edit one field, not knowing of each other
	Create    int
	Delete    int // as each system deletes: with a tombstone, or silently
	Contested int // deletes of records that somebody edited within the last day
}

func (m Mix) total() int {
	return m.Authority + m.Other + m.Both + m.Create + m.Delete + m.Contested
}

// Day lets a day pass in which people make n edits; see Live.
func (w *World) Day(n int) ([]Edit, error) { return w.Live(24*time.Hour, n, Mix{}) }

// Live lets simulated time pass, in which people make n edits at seeded moments.
// A mixed action (both sides) counts as one and yields two edits. It returns the
// edits in order; fewer where the world has no records left to edit. No habit
// holds contested deletes, because those end in a hold that only a person can
// decide.
func (w *World) Live(span time.Duration, n int, mix Mix) ([]Edit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.land()
	start, first := w.now, len(w.truth.edits)
	r := w.rng("day", int64(first))
	for _, at := range moments(r, span, n) {
		w.now = start.Add(at)
		e := w.anyEntity(r)
		m := mix
		if m.total() == 0 {
			m = e.habit.mix
		}
		if err := w.act(r, e, m); err != nil {
			return nil, err
		}
	}
	w.now = start.Add(span.Truncate(time.Millisecond))
	w.journal.write(entry{Clock: &w.now})
	return slices.Clone(w.truth.edits[first:]), w.journal.failed()
}

// anyEntity is what somebody works on next.
func (w *World) anyEntity(r *rand.Rand) *entity {
	total := 0
	for _, e := range w.entities {
		total += e.habit.weight
	}
	n := r.IntN(total)
	for _, e := range w.entities {
		if n < e.habit.weight {
			return e
		}
		n -= e.habit.weight
	}
	return w.entities[0]
}

// moments are n sorted offsets within a duration, in whole milliseconds.
func moments(r *rand.Rand, within time.Duration, n int) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = time.Duration(r.Int64N(max(within.Milliseconds(), 1))) * time.Millisecond
	}
	slices.Sort(at)
	return at
}

// act does one thing that people do. What nobody does with an entity becomes an edit.
func (w *World) act(r *rand.Rand, e *entity, m Mix) error {
	n := r.IntN(m.total())
	for _, a := range []struct {
		weight int
		do     func(*rand.Rand, *entity) error
	}{
		{m.Authority, w.actEdit}, {m.Other, w.actElsewhere}, {m.Both, w.actBoth},
		{m.Create, w.actCreate}, {m.Delete, w.actDelete(false)}, {m.Contested, w.actDelete(true)},
	} {
		if n < a.weight {
			return a.do(r, e)
		}
		n -= a.weight
	}
	return nil
}

// showing lists the shelves of an entity that show a field and let it be written,
// the best authority first.
func (w *World) showing(e *entity, field string) []*shelf {
	var out []*shelf
	for _, system := range Authority(e.name, field) {
		if s, err := w.shelf(e.name, system); err == nil && s.writes(field) {
			out = append(out, s)
		}
	}
	return out
}

// actEdit changes one field of one record where its authority is.
func (w *World) actEdit(r *rand.Rand, e *entity) error {
	field := pick(r, e.habit.edits)
	return w.editSomewhere(r, w.showing(e, field)[:1], field)
}

// actElsewhere changes it where its authority is not.
func (w *World) actElsewhere(r *rand.Rand, e *entity) error {
	field := pick(r, e.habit.edits)
	return w.editSomewhere(r, w.showing(e, field)[1:], field)
}

func (w *World) editSomewhere(r *rand.Rand, shelves []*shelf, field string) error {
	if len(shelves) == 0 {
		return nil
	}
	s := pick(r, shelves)
	rec := w.anyRecord(r, s, func(rec *Record) bool { return !w.dead[subject{rec.Entity, rec.Key()}] })
	if rec == nil {
		return nil
	}
	_, err := w.edit(s, rec.ID, s.newValue(r, field, rec.Now().Values, w.now))
	return err
}

// actBoth changes one field of one record in two systems.
func (w *World) actBoth(r *rand.Rand, e *entity) error {
	field := pick(r, e.habit.edits)
	shelves := w.showing(e, field)
	if len(shelves) < 2 {
		return nil
	}
	one, other := shelves[0], shelves[1+r.IntN(len(shelves)-1)]
	rec := w.anyRecord(r, other, func(rec *Record) bool {
		return !w.dead[subject{rec.Entity, rec.Key()}] && len(one.byKey[rec.Key()]) > 0
	})
	if rec == nil {
		return nil
	}
	id := one.byKey[rec.Key()][0]
	if _, err := w.edit(other, rec.ID, other.newValue(r, field, rec.Now().Values, w.now)); err != nil {
		return err
	}
	_, err := w.edit(one, id, one.newValue(r, field, one.records[id].Now().Values, w.now))
	return err
}

// actCreate makes a record where people make such.
func (w *World) actCreate(r *rand.Rand, e *entity) error {
	if e.habit.mix.Create == 0 {
		return w.actEdit(r, e)
	}
	v := e.habit.make(r, int64(w.opt.Records+len(w.truth.edits)), w.now)
	s, err := w.shelf(e.name, e.habit.where(v))
	if err != nil { // the small world has not all systems
		s = w.shelvesOf(e.name)[0]
	}
	_, err = w.create(s, v)
	return err
}

// actDelete removes a record that was quiet for a day, or one that was not.
func (w *World) actDelete(contested bool) func(*rand.Rand, *entity) error {
	return func(r *rand.Rand, e *entity) error {
		if len(e.habit.dying) == 0 {
			return w.actEdit(r, e)
		}
		s, err := w.shelf(e.name, pick(r, e.habit.dying))
		if err != nil { // the small world has not all systems
			s = w.shelvesOf(e.name)[0]
		}
		rec := w.anyRecord(r, s, func(rec *Record) bool {
			return !w.dead[subject{rec.Entity, rec.Key()}] && w.busy(rec.Entity, rec.Key()) == contested
		})
		if rec == nil {
			return nil
		}
		_, err = w.remove(s, rec.ID, s.sys.gone())
		return err
	}
}

// busy reports whether a person edited a key within the last day.
func (w *World) busy(entity, key string) bool {
	at, ok := w.touched[subject{entity, key}]
	return ok && w.now.Sub(at) < 24*time.Hour
}

// anyRecord is a random live record that ok accepts, or nil. It looks on from a
// random place, so that a world with few fitting records still finds one.
func (w *World) anyRecord(r *rand.Rand, s *shelf, ok func(*Record) bool) *Record {
	if len(s.order) == 0 {
		return nil
	}
	start := r.IntN(len(s.order))
	for i := range s.order {
		rec := s.order[(start+i)%len(s.order)]
		if rec.Now().State == Live && ok(rec) {
			return rec
		}
	}
	return nil
}

// newValue is a plausible new value of a field, different from the old one.
func (s *shelf) newValue(r *rand.Rand, field string, v Values, now time.Time) Values {
	for range 50 { // a field with few values may repeat itself
		set := s.ent.habit.value(r, field, now)
		if next, err := s.ent.with(v, set); err == nil && len(v.Changed(next)) > 0 && s.ent.accepts(next) == nil {
			return set
		}
	}
	return Values{}
}
