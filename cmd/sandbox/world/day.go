package world

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Mix weighs what people do in Live. The zero value is DefaultMix.
type Mix struct {
	Authority int // a field is edited where its authority is
	Other     int // a field is edited where its authority is not: it will be overridden
	Both      int // both sides edit one field, not knowing of each other
	Create    int
	Delete    int // tombstones in the PMS, silent at staybnb
	Contested int // deletes of records that somebody edited within the last day
}

// DefaultMix is a plausible office. It holds no contested deletes, because those
// end in a hold that only a person can decide.
func DefaultMix() Mix { return Mix{Authority: 65, Other: 10, Both: 5, Create: 12, Delete: 8} }

func (m Mix) total() int {
	return m.Authority + m.Other + m.Both + m.Create + m.Delete + m.Contested
}

// Day lets a day pass in which people make n edits; see Live.
func (w *World) Day(n int) ([]Edit, error) { return w.Live(24*time.Hour, n, Mix{}) }

// Live lets simulated time pass, in which people make n edits at seeded moments.
// A mixed action (both sides) counts as one and yields two edits. It returns the
// edits in order; fewer where the world has no records left to edit.
func (w *World) Live(span time.Duration, n int, mix Mix) ([]Edit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if mix.total() == 0 {
		mix = DefaultMix()
	}
	w.land()
	start, first := w.now, len(w.truth.edits)
	r := w.rng("day", int64(first))
	for _, at := range moments(r, span, n) {
		w.now = start.Add(at)
		if err := w.act(r, mix); err != nil {
			return nil, err
		}
	}
	w.now = start.Add(span.Truncate(time.Millisecond))
	w.journal.write(entry{Clock: &w.now})
	return slices.Clone(w.truth.edits[first:]), w.journal.failed()
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

// act does one thing that people do.
func (w *World) act(r *rand.Rand, m Mix) error {
	n := r.IntN(m.total())
	for _, a := range []struct {
		weight int
		do     func(*rand.Rand) error
	}{
		{m.Authority, w.actEdit(true)}, {m.Other, w.actEdit(false)}, {m.Both, w.actBoth},
		{m.Create, w.actCreate}, {m.Delete, w.actDelete(false)}, {m.Contested, w.actDelete(true)},
	} {
		if n < a.weight {
			return a.do(r)
		}
		n -= a.weight
	}
	return nil
}

// editableFields are those that people change; a code stays what it is, and so
// does the channel, which decides where a booking belongs.
func editableFields() []Field {
	return []Field{ListingID, CheckIn, GuestName, GuestName, Price, Price, Status, Notes, Notes}
}

// actEdit changes one field of one record on the authority's side, or on the other.
func (w *World) actEdit(authority bool) func(*rand.Rand) error {
	return func(r *rand.Rand) error {
		f := pick(r, editableFields())
		system := Authority(f)[0]
		if !authority {
			system = Authority(f)[1]
		}
		rec := w.anyRecord(r, system, func(rec *Record) bool { return !w.dead[rec.Now().Booking.Key()] })
		if rec == nil {
			return nil
		}
		_, err := w.edit(system, rec.ID, newValue(r, f, rec.Now().Booking, w.now))
		return err
	}
}

// actBoth changes one field of one booking in both systems.
func (w *World) actBoth(r *rand.Rand) error {
	rec := w.anyRecord(r, Staybnb, func(rec *Record) bool {
		key := rec.Now().Booking.Key()
		return !w.dead[key] && len(w.shelves[PMS].byKey[key]) > 0
	})
	if rec == nil {
		return nil
	}
	f := pick(r, editableFields())
	b := rec.Now().Booking
	if _, err := w.edit(Staybnb, rec.ID, newValue(r, f, b, w.now)); err != nil {
		return err
	}
	other := w.shelves[PMS].byKey[b.Key()][0]
	_, err := w.edit(PMS, other, newValue(r, f, w.shelves[PMS].records[other].Now().Booking, w.now))
	return err
}

// actCreate books: a guest at staybnb, or the front desk for the other channels.
func (w *World) actCreate(r *rand.Rand) error {
	b := newBooking(r, newCode(int64(w.opt.Records+len(w.truth.edits))), w.now)
	system := PMS
	if b.Get(Channel) == Staybnb {
		system = Staybnb
	}
	_, err := w.create(system, b.Values())
	return err
}

// actDelete removes a record that was quiet for a day, or one that was not.
func (w *World) actDelete(contested bool) func(*rand.Rand) error {
	return func(r *rand.Rand) error {
		system := pick(r, []string{PMS, Staybnb})
		rec := w.anyRecord(r, system, func(rec *Record) bool {
			key := rec.Now().Booking.Key()
			return !w.dead[key] && w.busy(key) == contested
		})
		if rec == nil {
			return nil
		}
		_, err := w.remove(system, rec.ID, gone(system))
		return err
	}
}

// busy reports whether a person edited a key within the last day.
func (w *World) busy(key string) bool {
	at, ok := w.touched[key]
	return ok && w.now.Sub(at) < 24*time.Hour
}

// anyRecord is a random live record that ok accepts, or nil. It looks on from a
// random place, so that a world with few fitting records still finds one.
func (w *World) anyRecord(r *rand.Rand, system string, ok func(*Record) bool) *Record {
	order := w.shelves[system].order
	if len(order) == 0 {
		return nil
	}
	start := r.IntN(len(order))
	for i := range order {
		rec := order[(start+i)%len(order)]
		if rec.Now().State == Live && ok(rec) {
			return rec
		}
	}
	return nil
}

// newValue is a plausible new value of a field, different from the old one.
func newValue(r *rand.Rand, f Field, b Booking, now time.Time) Values {
	for try := 0; ; try++ {
		set := candidate(r, f, now)
		if next, err := b.With(set); err == nil && len(b.Changed(next)) > 0 {
			return set
		}
		if try > 50 { // a field with few values may repeat itself
			return Values{Notes.String(): Text(fmt.Sprintf("seen again at %s", now.Format(time.TimeOnly)))}
		}
	}
}

func candidate(r *rand.Rand, f Field, now time.Time) Values {
	switch f {
	case ListingID:
		return Values{f.String(): Text(listing(1 + r.IntN(listings)))}
	case CheckIn, CheckOut:
		in, out := stay(r, now)
		return Values{CheckIn.String(): in, CheckOut.String(): out}
	case GuestName:
		return Values{f.String(): guestName(r)}
	case Price:
		return Values{f.String(): price(r)}
	case Status:
		return Values{f.String(): Text(pick(r, []string{"pending", "confirmed", "cancelled", "completed"}))}
	default:
		return Values{Notes.String(): note(r)}
	}
}
