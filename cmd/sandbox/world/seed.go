package world

import (
	"math/rand/v2"
	"strings"
	"time"
)

// populate makes the first records: n bookings, as many nights with their prices,
// half as many messages and a third as many tasks. Most agree in all systems; some
// exist in one only, some differ, some write their code another way, and some
// share their updated-at with others, as after an import.
func (w *World) populate(n int) {
	for _, s := range w.shelves {
		s.bulk = true
	}
	start := w.now
	for _, e := range w.entities {
		many := n
		switch e.name {
		case Messages:
			many = n / 2
		case Tasks:
			many = n / 3
		}
		for i := range many {
			r := w.rng("seed/"+e.name, int64(i))
			w.now = seedTime(start, i, many, r)
			w.seedOne(e, int64(i), r)
		}
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

// seedOne puts a record into every system that it belongs in. Each but the first
// may have it in another state; one in 25 is missing somewhere.
func (w *World) seedOne(e *entity, n int64, r *rand.Rand) {
	v := e.habit.make(r, n, w.now)
	var in []*shelf
	for _, s := range w.shelvesOf(e.name) {
		if s.col.holds(v) {
			in = append(in, s)
		}
	}
	missing := r.IntN(25)
	for i, s := range in {
		if i == missing && len(in) > 1 {
			continue
		}
		here := v
		if i > 0 {
			here = differing(r, e, v, w.now)
		}
		w.put(s, nil, Version{State: Live, Values: s.mends(mustWhole(e, here)), Cause: Cause{Kind: BySeed}})
	}
}

// differing is the record as another system may have it: one in five differs in a
// field, or spells its code otherwise.
func differing(r *rand.Rand, e *entity, v Values, now time.Time) Values {
	key := e.fields[0]
	switch n := r.IntN(20); {
	case n < 3:
		next := v.With(e.habit.value(r, pick(r, e.habit.edits), now))
		if whole := mustWhole(e, next); e.accepts(whole) == nil {
			return whole
		}
	case n == 3 && key.kind.name == "code":
		return v.With(Values{key.name: Text(strings.ToLower(v.Get(key.name)))})
	}
	return v
}

// mustWhole is for what the world makes up itself: it only names fields that exist.
func mustWhole(e *entity, v Values) Values {
	whole, err := e.whole(v)
	if err != nil {
		panic("world: " + err.Error())
	}
	return whole
}
