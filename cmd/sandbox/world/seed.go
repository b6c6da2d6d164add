package world

import (
	"math/rand/v2"
	"strings"
	"time"
)

// populate makes the first n bookings. Most bookings of staybnb agree in both
// systems; some exist on one side only, some differ, some write their code
// another way, and some share their updated-at with others, as after an import.
func (w *World) populate(n int) {
	for _, s := range w.shelves {
		s.bulk = true
	}
	start := w.now
	for i := range n {
		r := w.rng("seed", int64(i))
		w.now = seedTime(start, i, n, r)
		w.seedBooking(int64(i), r)
	}
	w.now = start
	for _, s := range w.shelves {
		s.settle()
	}
}

// seedTime spreads the first bookings over the month before the start; every
// tenth one shares its time with those of its group of fifty.
func seedTime(start time.Time, i, n int, r *rand.Rand) time.Time {
	const month = 30 * 24 * time.Hour
	if i%10 == 0 {
		return start.Add(-month + month*time.Duration(i/50*50)/time.Duration(n+50)).Truncate(time.Millisecond)
	}
	return start.Add(-time.Duration(1 + r.Int64N(int64(month)-1))).Truncate(time.Millisecond)
}

func (w *World) seedBooking(n int64, r *rand.Rand) {
	b := newBooking(r, newCode(n), w.now)
	if b.Get(Channel) != Staybnb {
		w.put(w.shelves[PMS], nil, b, Live, Cause{Kind: BySeed})
		return
	}
	there := b
	switch r.IntN(20) {
	case 0:
		there[Notes] = note(r)
	case 1:
		there[Price] = price(r)
	case 2:
		there[GuestName] = guestName(r)
	case 3:
		there[Code] = Text(strings.ToLower(b.Get(Code)))
	}
	side := r.IntN(25)
	if side != 0 {
		w.put(w.shelves[PMS], nil, b, Live, Cause{Kind: BySeed})
	}
	if side != 1 {
		w.put(w.shelves[Staybnb], nil, there, Live, Cause{Kind: BySeed})
	}
}

// newBooking makes up a booking around a day.
func newBooking(r *rand.Rand, code string, around time.Time) Booking {
	var b Booking
	b[Code] = Text(code)
	b[Channel] = Text(pick(r, []string{Staybnb, Staybnb, Staybnb, "direct", "phone", "Óbidos Tours"}))
	b[ListingID] = Text(listing(1 + r.IntN(listings)))
	b[CheckIn], b[CheckOut] = stay(r, around)
	b[GuestName] = guestName(r)
	b[Price] = price(r)
	b[Status] = Text(pick(r, []string{"pending", "confirmed", "confirmed", "confirmed", "cancelled", "completed"}))
	b[Notes] = note(r)
	return b
}
