package world

import (
	"cmp"
	"slices"
	"time"
)

// State is whether a record is there.
type State string

// The states of a record.
const (
	Live     State = "live"
	Deleted  State = "deleted"  // gone, and listings say so: a tombstone
	Vanished State = "vanished" // gone without a trace
)

// Cause says what made a version: the seed, a person's edit, or the effect of a request.
type Cause struct {
	Kind string `json:"kind"` // "seed", "edit", "effect"
	Seq  int64  `json:"seq"`  // of the edit or the effect
}

// The kinds of causes.
const (
	BySeed   = "seed"
	ByEdit   = "edit"
	ByEffect = "effect"
)

// Version is what a record was for some time. Versions are never changed.
type Version struct {
	Number    int64     `json:"number"` // unique in the world and rising; the ETag is made of it
	UpdatedAt time.Time `json:"updated_at"`
	State     State     `json:"state"`
	Booking   Booking   `json:"booking"`
	Cause     Cause     `json:"cause"`
}

// Record is a record of one system with all its versions, oldest first.
type Record struct {
	System   string    `json:"system"`
	ID       string    `json:"id"`
	Versions []Version `json:"versions"`
	number   int64     // the ID as a number: what listings sort by after the time
}

// Now is the newest version.
func (r *Record) Now() *Version { return &r.Versions[len(r.Versions)-1] }

// shelf holds the records of one system.
type shelf struct {
	system  string
	name    func(number int64) string // makes an ID
	records map[string]*Record
	order   []*Record           // live and tombstoned, by (updated at, number)
	byKey   map[string][]string // live IDs of a key
	last    int64               // the last number given
	bulk    bool                // order is being filled: sorted once, by settle
}

func newShelf(system string, last int64, name func(int64) string) *shelf {
	return &shelf{system: system, last: last, name: name,
		records: map[string]*Record{}, byKey: map[string][]string{}}
}

// before orders records by the time of their newest version, then by number.
func before(a, b *Record) int {
	if c := a.Now().UpdatedAt.Compare(b.Now().UpdatedAt); c != 0 {
		return c
	}
	return cmp.Compare(a.number, b.number)
}

// add gives a new record its number and first version.
func (s *shelf) add(v Version) *Record {
	s.last++
	r := &Record{System: s.system, ID: s.name(s.last), number: s.last, Versions: []Version{v}}
	s.records[r.ID] = r
	s.enter(r)
	return r
}

// push makes v the newest version of r.
func (s *shelf) push(r *Record, v Version) {
	s.leave(r)
	r.Versions = append(r.Versions, v)
	s.enter(r)
}

func (s *shelf) enter(r *Record) {
	v := r.Now()
	if v.State == Live {
		key := v.Booking.Key()
		s.byKey[key] = append(s.byKey[key], r.ID)
	}
	if v.State == Vanished {
		return
	}
	if s.bulk {
		s.order = append(s.order, r)
		return
	}
	at, _ := slices.BinarySearchFunc(s.order, r, before)
	s.order = slices.Insert(s.order, at, r)
}

// settle ends a bulk fill.
func (s *shelf) settle() {
	s.bulk = false
	s.order = s.order[:0]
	for _, r := range s.records {
		if r.Now().State != Vanished {
			s.order = append(s.order, r)
		}
	}
	slices.SortFunc(s.order, before)
}

func (s *shelf) leave(r *Record) {
	v := r.Now()
	if v.State == Live {
		key := v.Booking.Key()
		left := slices.DeleteFunc(s.byKey[key], func(id string) bool { return id == r.ID })
		s.byKey[key] = left
		if len(left) == 0 {
			delete(s.byKey, key)
		}
	}
	if s.bulk {
		return // settle looks at what there is in the end
	}
	if at, found := slices.BinarySearchFunc(s.order, r, before); found {
		s.order = slices.Delete(s.order, at, at+1)
	}
}

// after is the position of the first record that is newer than (at, number).
func (s *shelf) after(at time.Time, number int64) int {
	pos, _ := slices.BinarySearchFunc(s.order, 0, func(r *Record, _ int) int {
		if c := r.Now().UpdatedAt.Compare(at); c != 0 {
			return c
		}
		if r.number <= number {
			return -1
		}
		return 1
	})
	return pos
}

// live finds a record that is there.
func (s *shelf) live(id string) (*Record, bool) {
	r, ok := s.records[id]
	if !ok || r.Now().State != Live {
		return nil, false
	}
	return r, true
}
