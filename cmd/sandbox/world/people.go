package world

import (
	"fmt"
	"slices"
)

// Desk is where people work on the records of one entity, in any system. Its
// methods need no credential and meet no fault.
type Desk struct {
	w      *World
	entity string
}

// Of is the desk of an entity. World's own methods of the same names are those of bookings.
func (w *World) Of(entity string) Desk { return Desk{w, entity} }

// Edit changes fields of a live record, as a person would in the system's own
// screens. A changed key is a new key: the record of the old one is gone.
func (d Desk) Edit(system, id string, set Values) (Edit, error) {
	return d.step(system, func(s *shelf) (Edit, error) { return d.w.edit(s, id, set) })
}

// Create adds a record, as a person would. Fields that are not set are null, but
// for what the system always knows.
func (d Desk) Create(system string, set Values) (Edit, error) {
	return d.step(system, func(s *shelf) (Edit, error) { return d.w.create(s, set) })
}

// Delete removes a live record the way its system does: with a tombstone, or
// silently.
func (d Desk) Delete(system, id string) (Edit, error) {
	return d.step(system, func(s *shelf) (Edit, error) { return d.w.remove(s, id, s.sys.gone()) })
}

// Vanish removes a live record without a trace, in any system.
func (d Desk) Vanish(system, id string) (Edit, error) {
	return d.step(system, func(s *shelf) (Edit, error) { return d.w.remove(s, id, Vanished) })
}

// Revive brings a deleted record back, with its ID and its last values.
func (d Desk) Revive(system, id string) (Edit, error) {
	return d.step(system, func(s *shelf) (Edit, error) { return d.w.revive(s, id) })
}

func (d Desk) step(system string, do func(*shelf) (Edit, error)) (Edit, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s, err := d.w.shelf(d.entity, system)
	if err != nil {
		return Edit{}, err
	}
	return do(s)
}

// Records lists the records of a system with all their versions, by number.
func (d Desk) Records(system string) []Record {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s, err := d.w.shelf(d.entity, system)
	if err != nil {
		return nil
	}
	return s.copies()
}

// Find lists the IDs of the live records of a key in a system.
func (d Desk) Find(system, key string) []string {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s, err := d.w.shelf(d.entity, system)
	if err != nil {
		return nil
	}
	if len(s.ent.key) == 1 {
		key = s.ent.canonical(s.ent.key[0], key)
	}
	return slices.Clone(s.byKey[key])
}

// Get is the newest state of a live record.
func (d Desk) Get(system, id string) (Values, bool) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	s, err := d.w.shelf(d.entity, system)
	if err != nil {
		return nil, false
	}
	r, ok := s.live(id)
	if !ok {
		return nil, false
	}
	return r.Now().Values, true
}

// Edit changes a booking; see Desk.
func (w *World) Edit(system, id string, set Values) (Edit, error) {
	return w.Of(Bookings).Edit(system, id, set)
}

// Create adds a booking; see Desk.
func (w *World) Create(system string, set Values) (Edit, error) {
	return w.Of(Bookings).Create(system, set)
}

// Delete removes a booking the way its system does; see Desk.
func (w *World) Delete(system, id string) (Edit, error) { return w.Of(Bookings).Delete(system, id) }

// Vanish removes a booking without a trace; see Desk.
func (w *World) Vanish(system, id string) (Edit, error) { return w.Of(Bookings).Vanish(system, id) }

// Records lists the bookings of a system; see Desk.
func (w *World) Records(system string) []Record { return w.Of(Bookings).Records(system) }

// Find lists the IDs of the live bookings of a code in a system; see Desk.
func (w *World) Find(system, code string) []string { return w.Of(Bookings).Find(system, code) }

// Get is the newest state of a live booking; see Desk.
func (w *World) Get(system, id string) (Values, bool) { return w.Of(Bookings).Get(system, id) }

func (w *World) edit(s *shelf, id string, set Values) (Edit, error) {
	r, err := s.editable(id)
	if err != nil {
		return Edit{}, err
	}
	old := r.Now().Values
	next, err := s.ent.with(old, set)
	if err == nil {
		err = s.ent.accepts(next)
	}
	if err != nil {
		return Edit{}, fmt.Errorf("edit %s %s: %w", s.sys.name, id, err)
	}
	e := Edit{ID: id, Key: s.ent.keyOf(next), Op: Update, Before: next.Changed(old), After: old.Changed(next)}
	if was := s.ent.keyOf(old); was != e.Key {
		e.Was = was
	}
	w.note(s, &e)
	w.put(s, r, Version{State: Live, Values: next, Cause: Cause{ByEdit, e.Seq}})
	return e, nil
}

func (w *World) create(s *shelf, set Values) (Edit, error) {
	v, err := s.ent.whole(set)
	v = s.mends(v)
	if err == nil {
		err = s.ent.accepts(v)
	}
	if err != nil {
		return Edit{}, fmt.Errorf("create in %s: %w", s.sys.name, err)
	}
	e := Edit{ID: s.name(s.last + 1), Key: s.ent.keyOf(v), Op: Create, After: v}
	w.note(s, &e)
	w.put(s, nil, Version{State: Live, Values: v, Cause: Cause{ByEdit, e.Seq}})
	return e, nil
}

func (w *World) remove(s *shelf, id string, st State) (Edit, error) {
	r, err := s.editable(id)
	if err != nil {
		return Edit{}, err
	}
	v := r.Now().Values
	e := Edit{ID: id, Key: r.Key(), Op: Delete, Silent: st == Vanished, Before: v}
	w.note(s, &e)
	w.put(s, r, Version{State: st, Values: v, Cause: Cause{ByEdit, e.Seq}})
	return e, nil
}

func (w *World) revive(s *shelf, id string) (Edit, error) {
	r, ok := s.records[id]
	if !ok || r.Now().State == Live {
		return Edit{}, fmt.Errorf("%s has no deleted %s %q", s.sys.name, s.ent.one, id)
	}
	v := r.Now().Values
	e := Edit{ID: id, Key: r.Key(), Op: Create, After: v}
	w.note(s, &e)
	w.put(s, r, Version{State: Live, Values: v, Cause: Cause{ByEdit, e.Seq}})
	return e, nil
}

func (s *shelf) editable(id string) (*Record, error) {
	r, ok := s.live(id)
	if !ok {
		return nil, fmt.Errorf("%s has no live %s %q", s.sys.name, s.ent.one, id)
	}
	return r, nil
}

// copies are the records as they are now, by number.
func (s *shelf) copies() []Record {
	out := make([]Record, 0, len(s.records))
	for _, r := range s.records {
		c := *r
		c.Versions = slices.Clip(r.Versions) // versions are only ever appended
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Record) int { return int(a.number - b.number) })
	return out
}

// note numbers and remembers an edit.
func (w *World) note(s *shelf, e *Edit) {
	e.System, e.Entity = s.sys.name, s.ent.name
	e.Seq = int64(len(w.truth.edits)) + 1
	e.At = w.now
	e.Version = w.version + 1 // the put that follows in the same step
	e.By = s.sys.staff[int(e.Seq)%len(s.sys.staff)]
	w.remember(*e)
	w.journal.write(entry{Edit: e})
}

// remember keeps an edit and what follows from it for later edits.
func (w *World) remember(e Edit) {
	w.truth.edits = append(w.truth.edits, e)
	w.touched[subject{e.Entity, e.Key}] = e.At
	if e.Was != "" {
		w.touched[subject{e.Entity, e.Was}] = e.At
		w.dead[subject{e.Entity, e.Was}] = true
	}
	switch e.Op {
	case Delete:
		w.dead[subject{e.Entity, e.Key}] = true
	case Create:
		delete(w.dead, subject{e.Entity, e.Key})
	}
}
