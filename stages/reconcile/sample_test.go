package reconcile_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/stages/reconcile"
)

// A mapping there and back is tried on real records: what is not the same value
// again is lost, unless the loss is declared; what never comes to rest is told.
func TestASampleFindsWhatIsLostAndWhatIsRestless(t *testing.T) {
	h := newHouse(t)
	h.yes = true
	h.sys["pms"].Put("p1", map[string]string{"code": "A", "guest": "Annabel", "price": "100.40"})
	h.sys["pms"].Put("p2", map[string]string{"code": "B", "guest": "Bo", "price": "5.00"})
	h.run(pipeline.Sweep)
	try := func(guest, price string, lossy map[string]config.Loss) []string {
		air := &h.entity.Streams[1]
		air.Write.Lossy = lossy
		air.Write.Fields = []config.Mapping{{Name: "code", Expr: config.Expr{SQL: "code"}}, {Name: "guest", Expr: config.Expr{SQL: guest}}, {Name: "price", Expr: config.Expr{SQL: price}}}
		head, err := h.Lake.Head(t.Context())
		h.must(err)
		session, err := h.Engine.Session(t.Context(), head)
		h.must(err)
		defer session.Close()
		tried, found, err := reconcile.Sample(t.Context(), session, h.entity, h.Clock.Now(), 10)
		h.must(err)
		if tried != 2 {
			t.Fatalf("%d records tried", tried)
		}
		var out []string
		for _, f := range found {
			out = append(out, fmt.Sprintf("%s.%s %s in %d: %s is %s, %s -> %s -> %s", f.System, f.Field, f.Kind, f.Records, f.Entity, f.Key, f.Golden, f.Shown, f.Again))
		}
		return out
	}
	digits := 0
	for _, c := range []struct {
		guest, price string
		lossy        map[string]config.Loss
		want         []string
	}{
		{"guest", "price", nil, nil},
		{"left(guest, 3)", "price", nil, []string{"air.guest lost in 1: bookings is A, Annabel -> Ann -> Ann"}},
		{"guest", "price", map[string]config.Loss{"guest": {Truncate: 3}, "price": {Precision: &digits}}, nil},
		{"guest", "price + 1", nil, []string{"air.price restless in 2: bookings is A, 100.40 -> 101.40 -> 102.40"}},
	} {
		if got := try(c.guest, c.price, c.lossy); !slices.Equal(got, c.want) {
			t.Errorf("%s, %s: %q, want %q", c.guest, c.price, got, c.want)
		}
	}
}
