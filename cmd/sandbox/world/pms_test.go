package world_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// listPMS pages through a listing and returns the rows in order.
func (r *rig) listPMS(query url.Values, between func()) []map[string]any {
	r.t.Helper()
	var all []map[string]any
	for range 1000 {
		doc := r.do(world.PMS, "GET", "/api/bookings?"+query.Encode(), "").json(r.t)
		all = append(all, rows(r.t, doc, "bookings")...)
		next, _ := doc["paging"].(map[string]any)["next"].(string)
		if next == "" {
			return all
		}
		query.Set("page_token", next)
		between()
	}
	r.t.Fatal("the listing does not end")
	return nil
}

func TestPMSPagesThroughAllLiveRecordsInOrder(t *testing.T) {
	r := open(t, world.Options{Seed: 3, Records: 120})
	got := r.listPMS(url.Values{"limit": {"7"}}, func() {})
	if len(got) != len(r.Records(world.PMS)) {
		t.Fatalf("%d rows of %d records", len(got), len(r.Records(world.PMS)))
	}
	ties := 0
	for i := 1; i < len(got); i++ {
		a, b := got[i-1], got[i]
		if a["updated_at"].(string) > b["updated_at"].(string) {
			t.Fatalf("out of order: %v before %v", a, b)
		}
		if a["updated_at"] == b["updated_at"] {
			ties++
		}
	}
	if ties == 0 {
		t.Fatal("no two records share their updated_at: a client that cuts inside a tie would not be found")
	}
}

func TestPMSCursorShowsEveryRecordAlthoughPeopleEditBetweenPages(t *testing.T) {
	r := open(t, world.Options{Seed: 3, Records: 60})
	want := len(r.Records(world.PMS))
	n := 0
	got := r.listPMS(url.Values{"limit": {"10"}}, func() {
		if n++; n <= 3 {
			r.edit(world.PMS, "4001", "notes", fmt.Sprint("edit ", n))
		}
	})
	seen := map[string]bool{}
	for _, row := range got {
		seen[row["id"].(json.Number).String()] = true
	}
	if len(seen) != want {
		t.Fatalf("%d of %d records shown", len(seen), want)
	}
}

func TestPMSListingSinceATimeIsExclusiveAndShowsTombstones(t *testing.T) {
	r := open(t, world.Options{})
	a, b := r.create(world.PMS, booking("A")), r.create(world.PMS, booking("B"))
	since := r.Now()
	r.Advance(time.Minute)
	if _, err := r.Delete(world.PMS, b); err != nil {
		t.Fatal(err)
	}
	got := r.listPMS(url.Values{"updated_after": {since.Format(time.RFC3339Nano)}}, func() {})
	if len(got) != 1 || got[0]["id"].(json.Number).String() != b || got[0]["deleted_at"] != "2026-03-02T08:01:00.000Z" {
		t.Fatalf("got %v", got)
	}
	if full := r.listPMS(url.Values{}, func() {}); len(full) != 1 || full[0]["id"].(json.Number).String() != a {
		t.Fatalf("a full listing shows %v", full)
	}
	if gone := r.do(world.PMS, "GET", "/api/bookings/"+b, ""); gone.status != 410 {
		t.Fatalf("status %d", gone.status)
	}
}

func TestPMSShowsItsStyle(t *testing.T) {
	r := open(t, world.Options{FirstID: 9007199254740993})
	id := r.create(world.PMS, booking(" hm1 ", "notes", "ça \"va\", 👶"))
	got := r.do(world.PMS, "GET", "/api/bookings/"+id, "")
	doc := got.json(t)
	for name, want := range map[string]any{"id": json.Number("9007199254740993"), "price": "120.50", "check_in": "2026-05-01",
		"notes": "ça \"va\", 👶", "code": " hm1 ", "updated_at": "2026-03-02T08:00:00.000Z"} {
		if doc[name] != want {
			t.Errorf("%s is %v, not %v", name, doc[name], want)
		}
	}
	if found := rows(t, r.do(world.PMS, "GET", "/api/bookings?code=HM1", "").json(t), "bookings"); len(found) != 1 {
		t.Errorf("search found %v", found)
	}
}

func TestPMSPreconditionsHoldAndETagsNeverRepeat(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.PMS, booking("A"))
	path := "/api/bookings/" + id
	seen := map[string]bool{}
	for _, note := range []string{"one", "two", "one", "two"} {
		tag := r.do(world.PMS, "GET", path, "").header.Get("ETag")
		if seen[tag] {
			t.Fatalf("ETag %s repeats", tag)
		}
		seen[tag] = true
		body := compact(t, map[string]string{"notes": note})
		if got := r.do(world.PMS, "PATCH", path, body, "If-Match", tag); got.status != 200 || got.json(t)["notes"] != note {
			t.Fatalf("status %d: %s", got.status, got.body)
		}
		if got := r.do(world.PMS, "PATCH", path, body, "If-Match", tag); got.status != 412 {
			t.Fatalf("a stale precondition gave %d", got.status)
		}
		if got := r.do(world.PMS, "DELETE", path, "", "If-Match", tag); got.status != 412 {
			t.Fatalf("a stale precondition gave %d", got.status)
		}
	}
	if n := len(r.Effects()); n != 4 {
		t.Fatalf("%d effects", n)
	}
}

func TestPMSWrites(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.PMS, booking("A", "notes", "old"))
	body := map[string]any{"code": "A", "channel": "direct", "listing_id": nil, "check_in": "2026-01-01", "check_out": "2026-01-02",
		"price": "7", "status": "pending", "id": 1, "source": "x"}
	got := r.do(world.PMS, "PUT", "/api/bookings/"+id, compact(t, body)).json(t)
	if got["price"] != "7.00" || got["notes"] != nil || got["guest_name"] != nil {
		t.Fatalf("a PUT replaces the whole record: %v", got)
	}
	made := r.do(world.PMS, "POST", "/api/bookings", `{"code":"B","channel":"direct","check_in":"2026-01-01","check_out":"2026-01-02","status":"pending"}`)
	if made.status != 201 || made.header.Get("Location") != "/api/bookings/4002" {
		t.Fatalf("status %d, location %q", made.status, made.header.Get("Location"))
	}
	if got := r.do(world.PMS, "DELETE", "/api/bookings/4002", ""); got.status != 204 {
		t.Fatalf("status %d", got.status)
	}
	for _, refuse := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/api/bookings", `{"code":"a ","channel":"direct","check_in":"2026-01-01","check_out":"2026-01-02","status":"pending"}`, 409},
		{"PATCH", "/api/bookings/" + id, `{"price":7}`, 422},
		{"PATCH", "/api/bookings/" + id, `{"price":"7.005"}`, 422},
		{"PATCH", "/api/bookings/" + id, `{"status":"ok"}`, 422},
		{"PATCH", "/api/bookings/" + id, `{"check_in":"2027-01-01"}`, 422},
		{"PATCH", "/api/bookings/" + id, `{"code":"C"}`, 422},
		{"PATCH", "/api/bookings/" + id, `{"gust_name":"x"}`, 422},
		{"PATCH", "/api/bookings/" + id, `[]`, 422},
		{"PATCH", "/api/bookings/77", `{}`, 404},
		{"PATCH", "/api/bookings/4002", `{}`, 410},
		{"GET", "/api/bookings?limit=0", "", 400},
		{"GET", "/api/bookings?updated_after=yesterday", "", 400},
		{"GET", "/api/bookings?page_token=%21", "", 400},
		{"GET", "/api/bokings", "", 404},
	} {
		got := r.do(world.PMS, refuse.method, refuse.path, refuse.body)
		problem, ok := got.json(t)["error"].(map[string]any)
		if got.status != refuse.status || !ok || problem["code"] == "" {
			t.Errorf("%v: status %d: %s", refuse, got.status, got.body)
		}
	}
	if got := r.send("GET", r.servers.URL[world.PMS]+"/api/bookings", "", "Authorization", "Bearer wrong"); got.status != 401 {
		t.Errorf("a wrong token gave %d", got.status)
	}
	if n := len(r.Effects()); n != 3 {
		t.Errorf("%d effects: a refused write had one", n)
	}
}
