package world

import (
	"cmp"
	"fmt"
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
	Values    Values    `json:"values"`
	Cause     Cause     `json:"cause"`

	// Asked are the fields that the system did not keep as they were sent: it
	// shortened or folded them, or filled in a default of its own. The values are
	// what was sent.
	Asked Values `json:"asked,omitempty"`
}

// Record is a record of one system with all its versions, oldest first.
type Record struct {
	System   string    `json:"system"`
	Entity   string    `json:"entity"`
	ID       string    `json:"id"`
	Versions []Version `json:"versions"`
	number   int64     // the ID as a number: what listings sort by after the time
	ent      *entity
}

// Now is the newest version.
func (r *Record) Now() *Version { return &r.Versions[len(r.Versions)-1] }

// Key is the record's canonical key.
func (r *Record) Key() string { return r.ent.keyOf(r.Now().Values) }

// asOf is the newest version that is not newer than a time, or nil.
func (r *Record) asOf(at time.Time) *Version {
	for i := len(r.Versions) - 1; i >= 0; i-- {
		if !r.Versions[i].UpdatedAt.After(at) {
			return &r.Versions[i]
		}
	}
	return nil
}

// numbered is the values of a version, or nil.
func (r *Record) numbered(version int64) Values {
	for _, v := range r.Versions {
		if v.Number == version {
			return v.Values
		}
	}
	return nil
}

// row is a record as an answer shows it: with one of its versions.
type row struct {
	*Record
	version *Version
}

func (r *Record) row() row { return row{r, r.Now()} }

// shelf holds the records of one entity in one system.
type shelf struct {
	sys     *system
	col     *collection
	ent     *entity
	records map[string]*Record
	order   []*Record           // live and tombstoned, by (updated at, number)
	byKey   map[string][]string // live IDs of a key
	last    int64               // the last number given
	bulk    bool                // order is being filled: sorted once, by settle
}

func newShelf(sys *system, col *collection, ent *entity, last int64) *shelf {
	return &shelf{sys: sys, col: col, ent: ent, last: last,
		records: map[string]*Record{}, byKey: map[string][]string{}}
}

// name is the ID of a number.
func (s *shelf) name(number int64) string { return fmt.Sprint(s.col.id(number)) }

// mends is what the system makes of values that are set here: what holds for all
// its records.
func (s *shelf) mends(v Values) Values { return v.With(s.col.fixed) }

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
	r := &Record{System: s.sys.name, Entity: s.ent.name, ID: s.name(s.last), number: s.last, ent: s.ent, Versions: []Version{v}}
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
		key := s.ent.keyOf(v.Values)
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
		key := s.ent.keyOf(v.Values)
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

// rows lists what a listing is about: what changed after a time (inclusive or
// not) and is older than asOf, oldest change first. The zero times are no bounds.
// Tombstones are among them only in listings since a time.
func (s *shelf) rows(since time.Time, inclusive bool, asOf time.Time) []row {
	var out []row
	for _, r := range s.order {
		v := r.Now()
		if !asOf.IsZero() {
			v = r.asOf(asOf)
		}
		if v == nil || v.State == Vanished || v.State == Deleted && since.IsZero() {
			continue
		}
		if !since.IsZero() {
			if c := v.UpdatedAt.Compare(since); c < 0 || c == 0 && !inclusive {
				continue
			}
		}
		out = append(out, row{r, v})
	}
	if !asOf.IsZero() {
		slices.SortFunc(out, func(a, b row) int {
			return cmp.Or(a.version.UpdatedAt.Compare(b.version.UpdatedAt), cmp.Compare(a.number, b.number))
		})
	}
	return out
}

// live finds a record that is there.
func (s *shelf) live(id string) (*Record, bool) {
	r, ok := s.records[id]
	if !ok || r.Now().State != Live {
		return nil, false
	}
	return r, true
}
