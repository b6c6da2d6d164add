package reconcile_test

import (
	"slices"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
)

// A page that is asked for before the listings have settled cannot tell an edit
// from its own lag, so it counts for nothing. The edit is found all the same: the
// record is read by ID once they have settled, although its cursor has passed it.
func TestAnEditInTheLagOfAWriteIsFoundByID(t *testing.T) {
	h := newHouse(t)
	air := h.sys["air"]
	air.Plain = true
	h.entity.Streams[1].Extract.Version, h.entity.Streams[1].Write.Settle = "", 30*time.Minute
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	air.Put("a9", map[string]string{"code": "Z", "guest": "Zed", "price": "1.00"})
	h.run(pipeline.Sweep)
	h.expect("A", "Ana 100.00", "Ana 100.00")
	id := air.IDs()[1]

	h.Clock.Advance(5 * time.Minute)
	air.Put(id, map[string]string{"guest": "Annabel"})
	h.after = 5 * time.Minute
	h.run(pipeline.Incremental)
	h.expect("A", "Ana 100.00", "Annabel 100.00") // nobody can tell yet
	h.Clock.Advance(5 * time.Minute)
	air.Put("a9", map[string]string{"price": "1.00"})
	h.run(pipeline.Incremental)

	reads := fetched(air)
	h.after = time.Hour
	h.run(pipeline.Incremental)
	h.expect("A", "Annabel 100.00", "Annabel 100.00")
	if reads() == 0 {
		t.Fatal("the record was not read by ID")
	}
	h.quiet()
	reads = fetched(air)
	h.run(pipeline.Incremental)
	if n := reads(); n != 0 {
		t.Fatalf("%d more reads by ID: what is known is asked again", n)
	}
}

// fetched counts the reads by ID from now on.
func fetched(s interface{ Fetches() int }) func() int {
	before := s.Fetches()
	return func() int { return s.Fetches() - before }
}

// A record that does not answer the probe is missing: one read by ID without a
// control beside it proves no absence, and a system that is unknown gets no write.
func TestAProbeAloneProvesNoDelete(t *testing.T) {
	h := newHouse(t)
	air := h.sys["air"]
	air.Plain = true
	h.entity.Streams[1].Extract.Version, h.entity.Streams[1].Write.Settle = "", 30*time.Minute
	h.entity.Resolve.Deletes = config.DeleteRule{Authority: []string{"air"}, AgainstUpdate: "hold"}
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	air.Put("a9", map[string]string{"code": "Z", "guest": "Zed", "price": "1.00"})
	h.run(pipeline.Sweep)
	id := air.IDs()[1]
	h.Clock.Advance(5 * time.Minute)
	air.Put(id, map[string]string{"guest": "Annabel"})
	h.after = 5 * time.Minute
	h.run(pipeline.Incremental)
	air.Remove(id)
	h.after = time.Hour
	h.run(pipeline.Incremental)
	h.sys["pms"].Put("p1", map[string]string{"price": "70.00"})
	h.run(pipeline.Incremental)
	h.expect("A", "Ana 70.00", "-")
}

// Where nothing is read by ID, the next page after the listings have settled tells
// what the first could not, though it says the same.
func TestAnEditInTheLagOfAWriteIsFoundByASweepWhereNothingIsReadByID(t *testing.T) {
	h := newHouse(t)
	air := h.sys["air"]
	air.Plain, air.NoFetch = true, true
	h.entity.Streams[1].Extract.Version, h.entity.Streams[1].Write.Settle = "", 90*time.Minute
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.run(pipeline.Sweep)
	h.after = 10 * time.Minute
	air.Put(air.IDs()[0], map[string]string{"guest": "Annabel"})
	h.run(pipeline.Sweep)
	h.expect("A", "Ana 100.00", "Annabel 100.00") // nobody can tell yet
	h.after = 4 * time.Hour
	h.run(pipeline.Sweep)
	h.expect("A", "Annabel 100.00", "Annabel 100.00")
	h.quiet()
}

// The same for a record that is back under its ID while the listings may still lag
// behind our delete: it begins a new life once they have settled.
func TestARecordThatIsBackInTheLagOfItsDeleteIsFoundByASweep(t *testing.T) {
	h := newHouse(t)
	air := h.sys["air"]
	air.NoFetch = true
	h.entity.Streams[1].Write.Settle = 90 * time.Minute
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.sys["pms"].Put("p2", map[string]string{"code": "Z", "guest": "Zed", "price": "1.00"})
	h.run(pipeline.Sweep)
	id := air.IDs()[slices.IndexFunc(air.IDs(), func(id string) bool { return air.Get(id, "code") == "A" })]
	h.sys["pms"].Remove("p1")
	h.after = 3 * time.Hour
	h.run(pipeline.Sweep)
	h.expect("A", "-", "-")
	h.after = 10 * time.Minute
	air.Put(id, map[string]string{"code": "A", "guest": "Ana", "price": "120.00"})
	h.run(pipeline.Sweep)
	h.expect("A", "-", "Ana 120.00") // nobody can tell yet
	h.after = 4 * time.Hour
	h.run(pipeline.Sweep)
	h.expect("A", "Ana 120.00", "Ana 120.00")
}
