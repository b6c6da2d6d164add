package world

import "fmt"

// Edit changes fields of a live record, as a person would in the system's own
// screens. It needs no key and meets no fault.
func (w *World) Edit(system, id string, set Values) (Edit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.edit(system, id, set)
}

func (w *World) edit(system, id string, set Values) (Edit, error) {
	s, r, err := w.editable(system, id)
	if err != nil {
		return Edit{}, err
	}
	old := r.Now().Booking
	next, err := old.With(set)
	if err == nil {
		err = next.check()
	}
	if err != nil {
		return Edit{}, fmt.Errorf("edit %s %s: %w", system, id, err)
	}
	e := Edit{System: system, ID: id, Key: next.Key(), Op: Update, Before: next.Changed(old), After: old.Changed(next)}
	w.note(&e)
	w.put(s, r, next, Live, Cause{ByEdit, e.Seq})
	return e, nil
}

// Create adds a record, as a person would. Fields that are not set are null, but
// for the channel, which staybnb always knows.
func (w *World) Create(system string, set Values) (Edit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.create(system, set)
}

func (w *World) create(system string, set Values) (Edit, error) {
	s, err := w.shelf(system)
	if err != nil {
		return Edit{}, err
	}
	b, err := Booking{}.With(set)
	if system == Staybnb {
		b[Channel] = Text(Staybnb)
	}
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return Edit{}, fmt.Errorf("create in %s: %w", system, err)
	}
	e := Edit{System: system, ID: s.name(s.last + 1), Key: b.Key(), Op: Create, After: b.Values()}
	w.note(&e)
	w.put(s, nil, b, Live, Cause{ByEdit, e.Seq})
	return e, nil
}

// Delete removes a live record the way its system does: the PMS keeps a
// tombstone, at staybnb the record is silently gone.
func (w *World) Delete(system, id string) (Edit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.remove(system, id, gone(system))
}

// Vanish removes a live record without a trace, in any system.
func (w *World) Vanish(system, id string) (Edit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.remove(system, id, Vanished)
}

// gone is what a system makes of a deleted record.
func gone(system string) State {
	if system == PMS {
		return Deleted
	}
	return Vanished
}

func (w *World) remove(system, id string, st State) (Edit, error) {
	s, r, err := w.editable(system, id)
	if err != nil {
		return Edit{}, err
	}
	b := r.Now().Booking
	e := Edit{System: system, ID: id, Key: b.Key(), Op: Delete, Silent: st == Vanished, Before: b.Values()}
	w.note(&e)
	w.put(s, r, b, st, Cause{ByEdit, e.Seq})
	return e, nil
}

func (w *World) editable(system, id string) (*shelf, *Record, error) {
	s, err := w.shelf(system)
	if err != nil {
		return nil, nil, err
	}
	r, ok := s.live(id)
	if !ok {
		return nil, nil, fmt.Errorf("%s has no live record %q", system, id)
	}
	return s, r, nil
}

// note numbers and remembers an edit.
func (w *World) note(e *Edit) {
	e.Seq = int64(len(w.truth.edits)) + 1
	e.At = w.now
	e.Version = w.version + 1 // the put that follows in the same step
	e.By = person(e.System, e.Seq)
	w.remember(*e)
	w.journal.write(entry{Edit: e})
}

// remember keeps an edit and what follows from it for later edits.
func (w *World) remember(e Edit) {
	w.truth.edits = append(w.truth.edits, e)
	w.touched[e.Key] = e.At
	switch e.Op {
	case Delete:
		w.dead[e.Key] = true
	case Create:
		delete(w.dead, e.Key)
	}
}
