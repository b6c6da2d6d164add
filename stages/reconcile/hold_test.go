package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// Two edits that had not seen each other wait for a person: neither system is
// sent the field. What the person decides is in both after the next run, and a
// later run sends nothing.
func TestAPersonSettlesAHold(t *testing.T) {
	h := newHouse(t)
	h.entity.Resolve.Fields["guest"] = config.Rule{Hold: true}
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Ana", "price": "100.00"})
	h.run(pipeline.Sweep)
	h.yes = false
	h.quiet()

	h.sys["pms"].Put("p1", map[string]string{"guest": "Anna", "price": "110.00"})
	h.sys["air"].Put(h.sys["air"].IDs()[0], map[string]string{"guest": "Annabel"})
	h.run(pipeline.Incremental)
	h.expect("A", "Anna 110.00", "Annabel 110.00")
	h.quiet()
	h.expect("A", "Anna 110.00", "Annabel 110.00")
	if got := h.Query(t, "SELECT field, system, seen, chosen, reason FROM bookings ORDER BY system", tables.Conflicts("bookings")); !slices.Equal(got,
		[]string{"guest|air|Annabel|Ana|the rule is hold", "guest|pms|Anna|Ana|the rule is hold"}) {
		t.Fatalf("both sides are kept, once: %v", got)
	}

	h.settle("air")
	h.run(pipeline.Incremental)
	h.expect("A", "Annabel 110.00", "Annabel 110.00")
	if got := h.Query(t, "SELECT state, reason FROM holds", tables.Holds()); !slices.Equal(got, []string{"closed|decided by a person"}) {
		t.Fatalf("%v", got)
	}
	if got := h.Query(t, "SELECT _sources FROM bookings", h.golden()); len(got) != 1 || !strings.Contains(got[0], `"guest":"person"`) {
		t.Fatalf("the source is a person: %v", got)
	}
	h.quiet()
}

// settle lets a person take a side of the only open hold.
func (h *house) settle(take string) {
	h.t.Helper()
	head, err := h.Lake.Head(h.t.Context())
	h.must(err)
	session, err := h.Engine.Session(h.t.Context(), head)
	h.must(err)
	defer session.Close()
	holds, err := story.Holds(h.t.Context(), session, "")
	h.must(err)
	if len(holds) != 1 {
		h.t.Fatalf("%d open holds: %+v", len(holds), holds)
	}
	choice, err := holds[0].Take(take)
	h.must(err)
	text, err := choice.JSON()
	h.must(err)
	dir := h.t.TempDir()
	writer := func(table tables.Table, epoch uint64) *delta.Writer {
		return delta.NewWriter(delta.Destination{Store: h.Store, Cache: h.Cache, TempDir: dir,
			Key: func() string { return h.Lake.NewDataKey(table.Name, epoch) }}, table, delta.Options{})
	}
	h.must(review.Decide(h.t.Context(), review.Deps{Lake: h.Lake, Engine: h.Engine, Writer: writer},
		review.Decision{ID: "d1", Kind: review.Settle, Target: holds[0].ID, Shown: holds[0].Shown, Choice: text, Person: "ana", At: h.Clock.Now()}))
}

func (h *house) golden() tables.Table {
	return tables.Golden(h.entity.Name, h.entity.Columns(), h.entity.Systems())
}
