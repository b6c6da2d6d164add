package world_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// listStaybnb reads pages by offset until the total is reached.
func (r *rig) listStaybnb(query string, limit int) (ids []string) {
	r.t.Helper()
	for offset := 0; ; offset += limit {
		doc := r.do(world.Staybnb, "GET", fmt.Sprintf("/v2/reservations?limit=%d&offset=%d%s", limit, offset, query), "").json(r.t)
		for _, row := range rows(r.t, doc, "data") {
			ids = append(ids, row["id"].(string))
		}
		total, err := doc["meta"].(map[string]any)["total"].(json.Number).Int64()
		if err != nil {
			r.t.Fatal(err)
		}
		if offset+limit >= int(total) {
			return ids
		}
	}
}

func TestStaybnbShowsItsStyle(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.Staybnb, booking("HM1"))
	row := r.do(world.Staybnb, "GET", "/v2/reservations/"+id, "").json(t)["data"].(map[string]any)
	want := `{"arrival":"01/05/2026","confirmation_code":"HM1","currency":"EUR","departure":"04/05/2026","guest":{"name":"Ana"},` +
		`"id":"R-000001","listing_ref":"L-001","state":"ok","total_cents":12050,"updated_at":1772438400000}`
	if got := compact(t, row); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	got := r.do(world.Staybnb, "PATCH", "/v2/reservations/"+id, `{"note":"","guest":{"name":null},"total_cents":7}`)
	row = got.json(t)["data"].(map[string]any)
	if _, shown := row["guest"]; shown || row["note"] != "" || row["total_cents"] != json.Number("7") {
		t.Fatalf("nulls are left out and empty text is not: %v", row)
	}
	if found := rows(t, r.do(world.Staybnb, "GET", "/v2/reservations?key=hm1", "").json(t), "data"); len(found) != 1 {
		t.Fatalf("search found %v", found)
	}
}

func TestStaybnbPagesAreInclusiveSinceATime(t *testing.T) {
	r := open(t, world.Options{})
	r.create(world.Staybnb, booking("A"))
	r.Advance(time.Minute)
	b := r.create(world.Staybnb, booking("B", "listing_id", "L-002"))
	since := fmt.Sprintf("&updated_since=%d", r.Now().UnixMilli())
	if got := r.listStaybnb(since, 10); fmt.Sprint(got) != fmt.Sprint([]string{b}) {
		t.Fatalf("got %v", got)
	}
	if got := r.listStaybnb("&listing_ref=L-001", 10); len(got) != 1 {
		t.Fatalf("a partition shows %v", got)
	}
	lodgings := r.do(world.Staybnb, "GET", "/v2/listings", "").json(t)
	if n := len(rows(t, lodgings, "data")); n != 12 {
		t.Fatalf("%d listings", n)
	}
}

func TestStaybnbRowsShiftBetweenPagesWhenSomebodyEdits(t *testing.T) {
	r := open(t, world.Options{Seed: 1, Records: 80,
		Faults: []world.Fault{{Kind: world.Shift, System: world.Staybnb, Nth: 1}}})
	ids := r.listStaybnb("", 10)
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	if all := len(r.Records(world.Staybnb)); len(seen) != all-1 {
		t.Fatalf("%d of %d records shown: the shift hides exactly one", len(seen), all)
	}
	if unfired := r.Unfired(); len(unfired) > 0 {
		t.Fatalf("unfired: %v", unfired)
	}
	if edits := r.Edits(); len(edits) != 1 || !seen[edits[0].ID] {
		t.Fatalf("the shift edits a row of an earlier page, and says so: %v", edits)
	}
}

func TestStaybnbDeletesAreSilent(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.Staybnb, booking("A"))
	keep := r.create(world.Staybnb, booking("B"))
	if _, err := r.Delete(world.Staybnb, id); err != nil {
		t.Fatal(err)
	}
	if got := r.listStaybnb("&updated_since=0", 10); fmt.Sprint(got) != fmt.Sprint([]string{keep}) {
		t.Fatalf("got %v", got)
	}
	if got := r.do(world.Staybnb, "GET", "/v2/reservations/"+id, ""); got.status != 404 {
		t.Fatalf("status %d", got.status)
	}
}

const newReservation = `{"confirmation_code":"HM9","arrival":"01/05/2026","departure":"04/05/2026","state":"ok"}`

func TestStaybnbIdempotencyKeyReplaysRefusesAndExpires(t *testing.T) {
	r := open(t, world.Options{})
	post := func(body string) result {
		return r.do(world.Staybnb, "POST", "/v2/reservations", body, "Idempotency-Key", "k1")
	}
	if bad := post(`{"confirmation_code":"HM9"}`); bad.status != 422 {
		t.Fatalf("status %d", bad.status)
	}
	first := post(newReservation) // a refusal is not kept: the corrected request may have the key
	again := post(newReservation)
	if first.status != 201 || string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Fatalf("%d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	other := post(`{"confirmation_code":"HM8","arrival":"01/05/2026","departure":"04/05/2026","state":"ok"}`)
	if other.status != 422 || len(r.Effects()) != 1 {
		t.Fatalf("another body under the key: status %d, %d effects", other.status, len(r.Effects()))
	}
	r.Advance(25 * time.Hour)
	if late := post(newReservation); late.status != 201 || len(r.Effects()) != 2 {
		t.Fatalf("past the retention a key is new: status %d, %d effects", late.status, len(r.Effects()))
	}
}

func TestStaybnbRefuses(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.Staybnb, booking("A"))
	for _, refuse := range []struct {
		method, path, body string
		status             int
	}{
		{"PATCH", "/v2/reservations/" + id, `{"total_cents":12.5}`, 422},
		{"PATCH", "/v2/reservations/" + id, `{"total_cents":"12"}`, 422},
		{"PATCH", "/v2/reservations/" + id, `{"arrival":"2026-01-01"}`, 422},
		{"PATCH", "/v2/reservations/" + id, `{"state":"confirmed"}`, 422},
		{"PATCH", "/v2/reservations/" + id, `{"confirmation_code":"B"}`, 422},
		{"PATCH", "/v2/reservations/" + id, `{"guest":{"nom":"x"}}`, 422},
		{"PUT", "/v2/reservations/" + id, `{}`, 405},
		{"PATCH", "/v2/reservations/R-9", `{}`, 404},
		{"DELETE", "/v2/reservations/R-9", ``, 404},
		{"GET", "/v2/reservations?offset=-1", ``, 400},
		{"GET", "/v2/reservations?limit=201", ``, 400},
		{"GET", "/v2/reservations?updated_since=now", ``, 400},
		{"GET", "/v3", ``, 404},
	} {
		got := r.do(world.Staybnb, refuse.method, refuse.path, refuse.body)
		if got.status != refuse.status || len(rows(t, got.json(t), "errors")) != 1 {
			t.Errorf("%v: status %d: %s", refuse, got.status, got.body)
		}
	}
	if got := r.send("GET", r.servers.URL[world.Staybnb]+"/v2/reservations", ""); got.status != 403 {
		t.Errorf("no key gave %d", got.status)
	}
	if n := len(r.Effects()); n != 0 {
		t.Errorf("%d effects: a refused write had one", n)
	}
}
