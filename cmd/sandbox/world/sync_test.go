package world_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// syncer is a small honest client: it reads both systems whole, keeps what it
// last saw, and writes what differs. It knows no faults. It shows that the proof
// can hold; careless turns one of its virtues off, to show that the proof fails.
type syncer struct {
	r       *rig
	base    map[string]map[string]world.Values // key -> system -> as last agreed
	cleared map[string]bool                    // key/field/system
	writes  int

	careless string
}

// side is a record as a client sees it.
type side struct {
	id      string
	booking world.Values
}

func newSyncer(r *rig) *syncer {
	return &syncer{r: r, base: map[string]map[string]world.Values{}, cleared: map[string]bool{}}
}

func (s *syncer) read() map[string]map[string]side {
	all := map[string]map[string]side{}
	enter := func(system, id string, b world.Values) {
		key := world.KeyOf(b.Get(world.Code))
		if all[key] == nil {
			all[key] = map[string]side{}
		}
		all[key][system] = side{id, b}
	}
	for _, row := range s.r.listPMS(url.Values{"limit": {"500"}}, func() {}) {
		b := world.Values{}
		for _, f := range world.Fields(world.Bookings) {
			b[f] = textOf(row[f])
		}
		enter(world.PMS, row["id"].(json.Number).String(), b)
	}
	doc := s.r.do(world.Staybnb, "GET", "/v2/reservations?limit=200", "").json(s.r.t)
	for _, row := range rows(s.r.t, doc, "data") {
		enter(world.Staybnb, row["id"].(string), fromStaybnb(s.r.t, row))
	}
	return all
}

func textOf(v any) *string {
	if v == nil {
		return nil
	}
	return world.Text(v.(string))
}

func fromStaybnb(t testing.TB, row map[string]any) world.Values {
	b := world.Values{}
	date := func(name string) *string {
		d, err := time.Parse("02/01/2006", row[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		return world.Text(d.Format(time.DateOnly))
	}
	b[world.Code], b[world.Channel] = textOf(row["confirmation_code"]), world.Text(world.Staybnb)
	b[world.ListingID], b[world.Notes] = textOf(row["listing_ref"]), textOf(row["note"])
	b[world.CheckIn], b[world.CheckOut] = date("arrival"), date("departure")
	if guest, ok := row["guest"].(map[string]any); ok {
		b[world.GuestName] = textOf(guest["name"])
	}
	if b[world.Status] = textOf(row["state"]); *b[world.Status] == "ok" {
		b[world.Status] = world.Text("confirmed")
	}
	cents, err := row["total_cents"].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	b[world.Price] = world.Text(fmt.Sprintf("%d.%02d", cents/100, cents%100))
	return b
}

// run is one pass.
func (s *syncer) run() {
	for key, sides := range s.read() {
		if s.propagateDelete(key, sides) {
			continue
		}
		want := s.merge(key, sides)
		s.base[key] = map[string]world.Values{}
		for _, system := range []string{world.PMS, world.Staybnb} {
			if !world.InScope(world.Bookings, system, want) {
				continue
			}
			s.write(system, sides, want)
			s.base[key][system] = want
		}
	}
}

// propagateDelete removes what is gone on the other side.
func (s *syncer) propagateDelete(key string, sides map[string]side) bool {
	gone := false
	for system := range s.base[key] {
		if _, there := sides[system]; !there {
			gone = true
		}
	}
	if !gone {
		return false
	}
	if one, ok := sides[world.PMS]; ok {
		s.expect(s.r.do(world.PMS, "DELETE", "/api/bookings/"+one.id, ""), 204)
	}
	if one, ok := sides[world.Staybnb]; ok {
		s.expect(s.r.do(world.Staybnb, "DELETE", "/v2/reservations/"+one.id, ""), 204)
	}
	delete(s.base, key)
	return true
}

func (s *syncer) merge(key string, sides map[string]side) world.Values {
	want := world.Values{}
	for _, f := range world.Fields(world.Bookings) {
		order := world.Authority(world.Bookings, f)
		if s.careless == "wrong authority" {
			order = []string{order[1], order[0]}
		}
		for _, system := range order {
			one, ok := sides[system]
			mark := key + "/" + f + "/" + system
			if !ok {
				continue
			}
			if old, had := s.base[key][system]; had && old[f] != nil && one.booking[f] == nil {
				s.cleared[mark] = true
			}
			if one.booking[f] != nil || s.cleared[mark] {
				want[f] = one.booking[f]
				break
			}
		}
	}
	want[world.Code] = world.Text(key)
	return want
}

func (s *syncer) write(system string, sides map[string]side, want world.Values) {
	one, ok := sides[system]
	changed := one.booking.Changed(want)
	if ok {
		delete(changed, "code") // spelling is not a difference
	}
	if len(changed) == 0 || s.careless == "never writes "+system {
		return
	}
	if s.careless == "invents" {
		changed["notes"] = world.Text("synced!")
	}
	s.writes++
	body, key := "", fmt.Sprint("key-", s.writes)
	if system == world.PMS {
		body = compact(s.r.t, changed)
	} else {
		body = compact(s.r.t, toStaybnb(s.r.t, changed))
	}
	s.send(system, one.id, body, key)
	if s.careless == "sends twice" {
		s.send(system, one.id, body, key+"-again")
	}
}

func (s *syncer) send(system, id, body, key string) {
	switch {
	case system == world.PMS && id == "":
		s.expect(s.r.do(system, "POST", "/api/bookings", body), 201)
	case system == world.PMS:
		tag := s.r.do(system, "GET", "/api/bookings/"+id, "").header.Get("ETag")
		s.expect(s.r.do(system, "PATCH", "/api/bookings/"+id, body, "If-Match", tag), 200)
	case id == "":
		s.expect(s.r.do(system, "POST", "/v2/reservations", body, "Idempotency-Key", key), 201)
	default:
		s.expect(s.r.do(system, "PATCH", "/v2/reservations/"+id, body, "Idempotency-Key", key), 200)
	}
}

func (s *syncer) expect(got result, status int) {
	s.r.t.Helper()
	if got.status != status && s.careless == "" {
		s.r.t.Fatalf("status %d: %v %s", got.status, got.err, got.body)
	}
}

func toStaybnb(t testing.TB, v world.Values) map[string]any {
	names := map[string]string{"code": "confirmation_code", "listing_id": "listing_ref", "notes": "note", "status": "state",
		"check_in": "arrival", "check_out": "departure", "price": "total_cents", "guest_name": "guest"}
	out := map[string]any{}
	for field, value := range v {
		name := names[field]
		switch {
		case name == "":
			continue
		case field == "guest_name":
			out[name] = map[string]any{"name": value}
		case value == nil:
			out[name] = nil
		case field == "status" && *value == "confirmed":
			out[name] = "ok"
		case field == "check_in", field == "check_out":
			d, err := time.Parse(time.DateOnly, *value)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = d.Format("02/01/2006")
		case field == "price":
			var whole, part int64
			if _, err := fmt.Sscanf(*value, "%d.%d", &whole, &part); err != nil {
				t.Fatal(err)
			}
			out[name] = whole*100 + part
		default:
			out[name] = *value
		}
	}
	return out
}

func TestTheProofHoldsForAnHonestClient(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := open(t, world.Options{Seed: rapid.Uint64().Draw(rt, "seed"), Records: 40})
		s := newSyncer(r)
		s.run()
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			if _, err := r.Live(5*time.Hour, 12, world.Mix{}); err != nil {
				rt.Fatal(err)
			}
			s.run()
		}
		if report := world.Verify(r.World, world.VerifyOptions{}); !report.OK() || report.Total().Keys != report.Total().Agree {
			rt.Fatalf("\n%s", report)
		}
		before := len(r.Effects())
		if s.run(); len(r.Effects()) != before {
			rt.Fatalf("a run over a quiet world sent %d writes", len(r.Effects())-before)
		}
	})
}

func TestTheProofFailsForACarelessClient(t *testing.T) {
	for careless, check := range map[string]string{
		"wrong authority":      world.CheckLostEdit,
		"never writes staybnb": world.CheckAgree,
		"never writes pms":     world.CheckAgree,
		"invents":              world.CheckInvented,
		"sends twice":          world.CheckDoubleEffect,
	} {
		t.Run(careless, func(t *testing.T) {
			r := open(t, world.Options{Seed: 11, Records: 40})
			s := newSyncer(r)
			s.careless = careless
			for range 3 {
				s.run()
				if _, err := r.Live(5*time.Hour, 20, world.Mix{}); err != nil {
					t.Fatal(err)
				}
			}
			s.run()
			if report := world.Verify(r.World, world.VerifyOptions{}); report.Count(check) == 0 {
				t.Fatalf("no %s was found:\n%s", check, report)
			}
		})
	}
}
