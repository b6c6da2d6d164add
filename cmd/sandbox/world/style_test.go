package world_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// walk reads a listing of a system page by page, as its style wants it, and gives
// the rows. The first argument is the path with the query of the first page.
func (r *rig) walk(system, path string) (all []map[string]any) {
	r.t.Helper()
	for range 1000 {
		got := r.do(system, "GET", path, "")
		if got.status != 200 {
			r.t.Fatalf("GET %s: %d %s", path, got.status, got.body)
		}
		rows, next := r.pageOf(system, path, got, len(all))
		all = append(all, rows...)
		if next == "" {
			return all
		}
		path = next
	}
	r.t.Fatal("the listing does not end")
	return nil
}

func (r *rig) pageOf(system, path string, got result, had int) (rows []map[string]any, next string) {
	r.t.Helper()
	u, err := url.Parse(path)
	if err != nil {
		r.t.Fatal(err)
	}
	turn := func(param, value string) string {
		q := u.Query()
		q.Set(param, value)
		return u.Path + "?" + q.Encode()
	}
	var doc map[string]any
	if system != world.Tidy {
		doc = got.json(r.t)
	}
	switch system {
	case world.PMS:
		rows = rowsIn(r.t, doc)
		if token, ok := doc["paging"].(map[string]any)["next"].(string); ok {
			next = turn("page_token", token)
		}
	case world.Staybnb:
		if rows = rowsIn(r.t, doc); len(rows) > 0 {
			next = turn("offset", fmt.Sprint(had+len(rows)))
		}
	case world.Voyago:
		if rows = rowsIn(r.t, doc); len(rows) > 0 {
			var n int
			_, _ = fmt.Sscan(u.Query().Get("page"), &n)
			next = turn("page", fmt.Sprint(max(n, 1)+1))
		}
	case world.Tidy:
		if err := json.Unmarshal(got.body, &rows); err != nil {
			r.t.Fatal(err)
		}
		if link, _, ok := strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "<"), `>; rel="next"`); ok {
			next = strings.TrimPrefix(link, r.servers.URL[system])
		}
	case world.Deskline:
		rows = rowsIn(r.t, doc)
		link, _ := doc["next"].(string)
		next = strings.TrimPrefix(link, r.servers.URL[system])
	}
	return rows, next
}

// rowsIn is the one list of an answer.
func rowsIn(t testing.TB, doc map[string]any) []map[string]any {
	t.Helper()
	for name, v := range doc {
		if _, ok := v.([]any); ok {
			return rows(t, doc, name)
		}
	}
	t.Fatalf("no list in %v", doc)
	return nil
}

// roots are the collections of the whole world.
func roots() map[[2]string]string {
	return map[[2]string]string{
		{world.PMS, world.Bookings}: "/api/bookings", {world.PMS, world.Availability}: "/api/nights", {world.PMS, world.Prices}: "/api/rates",
		{world.PMS, world.Tasks}: "/api/tasks", {world.Staybnb, world.Bookings}: "/v2/reservations", {world.Staybnb, world.Availability}: "/v2/calendar",
		{world.Staybnb, world.Prices}: "/v2/pricing", {world.Staybnb, world.Messages}: "/v2/messages", {world.Voyago, world.Bookings}: "/rest/Bookings",
		{world.Voyago, world.Availability}: "/rest/Inventory", {world.Voyago, world.Prices}: "/rest/Rates", {world.Tidy, world.Tasks}: "/jobs",
		{world.Deskline, world.Messages}: "/inbox/messages",
	}
}

func TestEverySystemPagesThroughEverythingInItsStyle(t *testing.T) {
	r := open(t, world.Options{Seed: 3, Records: 90, Whole: true})
	since := map[string]string{world.PMS: "updated_after=2026-01-01T00:00:00Z", world.Staybnb: "updated_since=0", world.Voyago: "modifiedSince=0",
		world.Tidy: "changed_since=2026-01-01T00:00:00%2B01:00", world.Deskline: "edited_after=2026-01-01T00:00:00Z"}
	for at, root := range roots() {
		want := len(r.Of(at[1]).Records(at[0]))
		seen := map[string]bool{}
		all := r.walk(at[0], root+"?limit=7&"+since[at[0]])
		for _, row := range all {
			seen[fmt.Sprint(row["id"])] = true
		}
		if len(all) != want || len(seen) != want || want < 10 {
			t.Errorf("%s of %s: %d rows of %d records, %d of %d IDs", at[1], at[0], len(all), want, len(seen), want)
		}
	}
	if n := len(roots()); n != 13 || len(r.Systems()) != 5 {
		t.Errorf("%d collections in %d systems", n, len(r.Systems()))
	}
}

// One record of each collection, as its system writes it.
func TestEverySystemShowsItsStyle(t *testing.T) {
	r := open(t, world.Options{Whole: true})
	text := world.Text
	night := world.Values{"listing_id": text("L-001"), "night": text("2026-05-01"), "free": text("2"), "min_stay": nil, "closed": text("true")}
	price := world.Values{"listing_id": text("L-001"), "night": text("2026-05-01"), "amount": text("120.50"), "currency": text("EUR"), "promo": nil}
	message := world.Values{"ref": text("MSG-1"), "channel": text("staybnb"), "booking": text("HM1"), "author": text("guest"),
		"sent_at": text("2026-03-02T07:30:00Z"), "body": text("hi\n👋"), "read": text("false")}
	task := world.Values{"ref": text("T-1"), "listing_id": text("L-001"), "kind": text("clean"), "due": text("2026-03-04"), "assignee": text("Zé"),
		"state": text("doing"), "remark": nil}
	for _, c := range []struct {
		system, entity string
		set            world.Values
		want           string
	}{
		{world.PMS, world.Availability, night, `{"closed":true,"created_at":"2026-03-02T08:00:00.000Z","free":2,"id":1,"listing_id":"L-001","min_stay":null,"night":"2026-05-01","updated_at":"2026-03-02T08:00:00.000Z"}`},
		{world.PMS, world.Prices, price, `{"amount":"120.50","created_at":"2026-03-02T08:00:00.000Z","currency":"EUR","id":1,"listing_id":"L-001","night":"2026-05-01","promo":null,"updated_at":"2026-03-02T08:00:00.000Z"}`},
		{world.Staybnb, world.Availability, night, `{"data":{"blocked":true,"day":"01/05/2026","id":"C-000001","listing_ref":"L-001","units":2,"updated_at":1772438400000}}`},
		{world.Staybnb, world.Prices, price, `{"data":{"day":"01/05/2026","id":"P-000001","listing_ref":"L-001","nightly_cents":12050,"updated_at":1772438400000}}`},
		{world.Staybnb, world.Messages, message, `{"data":{"from":"guest","id":"M-000001","message_ref":"MSG-1","reservation":"HM1","seen":false,"sent_at":1772436600000,"text":"hi\n👋","updated_at":1772438400000}}`},
		{world.Voyago, world.Bookings, booking("HM1"), `{"bookingRef":"HM1","id":"00000001","modified":1772438400,"period":{"from":"2026-05-01","to":"2026-05-04"},"propertyId":"VG-L-001","remarks":null,"rev":6,"status":"CONFIRMED","total":120.5,"traveller":{"fullName":"Ana"}}`},
		{world.Voyago, world.Availability, night, `{"date":"2026-05-01","id":"00000001","minLos":null,"modified":1772438400,"propertyId":"VG-L-001","rev":7,"rooms":2,"stopSell":"Y"}`},
		{world.Voyago, world.Prices, price, `{"ccy":"EUR","date":"2026-05-01","id":"00000001","modified":1772438400,"plan":null,"price":120.5,"propertyId":"VG-L-001","rev":8}`},
		{world.Tidy, world.Tasks, task, `{"changed":"2026-03-02T09:00:00.000+01:00","cleaner":"Zé","comment":null,"day":"2026-03-04","id":1,"number":"T-1","property":"L-001","status":"in progress","type":"CLEAN"}`},
		{world.Deskline, world.Messages, message, `{"author":"guest","body":"hi\n👋","booking":"HM1","channel":"staybnb","edited":"2026-03-02T08:00:00.000Z","external_id":"MSG-1","id":"msg_00001","inserted":"2026-03-02T08:00:00.000Z","is_read":false,"sent":"2026-03-02T07:30:00Z"}`},
	} {
		e, err := r.Of(c.entity).Create(c.system, c.set)
		if err != nil {
			t.Fatal(err)
		}
		got := r.do(c.system, "GET", roots()[[2]string{c.system, c.entity}]+"/"+e.ID, "")
		if text := strings.TrimSpace(string(got.body)); text != c.want {
			t.Errorf("%s of %s:\n got %s\nwant %s", c.entity, c.system, text, c.want)
		}
	}
}

// What a system shows can be sent to it again, and changes nothing: no form loses anything.
func TestEverySystemTakesBackWhatItShows(t *testing.T) {
	r := open(t, world.Options{Seed: 5, Records: 60, Whole: true})
	for at, root := range roots() {
		method := http.MethodPatch
		if at[0] == world.Voyago {
			method = http.MethodPut
		}
		for _, row := range r.walk(at[0], root) {
			if got := r.do(at[0], method, root+"/"+fmt.Sprint(row["id"]), compact(t, row)); got.status != 200 {
				t.Fatalf("%s of %s: %d %s to %v", at[1], at[0], got.status, got.body, row)
			}
		}
	}
	for _, e := range r.Effects() {
		if changed := e.Before.Changed(e.After); len(changed) > 0 {
			t.Errorf("%s %s changed %v", e.Method, e.Path, changed)
		}
	}
	if n := len(r.Effects()); n < 300 {
		t.Errorf("only %d effects", n)
	}
}

func TestVoyagoReplacesWholeRecordsUnderAVersion(t *testing.T) {
	r := open(t, world.Options{Whole: true})
	id := r.create(world.Voyago, booking("HM1", "notes", "late"))
	path := "/rest/Bookings/" + id
	body := `{"bookingRef":"HM1","period":{"from":"2026-05-01","to":"2026-05-04"},"status":"PENDING","total":7}`
	if got := r.do(world.Voyago, "PUT", path, body, "If-Match", "9"); got.status != 412 || got.json(t)["title"] != "precondition_failed" {
		t.Fatalf("a stale version gave %d %s", got.status, got.body)
	}
	got := r.do(world.Voyago, "PUT", path, body, "If-Match", "1").json(t)
	if got["remarks"] != nil || got["total"] != json.Number("7") || got["rev"] != json.Number("2") {
		t.Fatalf("a PUT replaces the whole record: %v", got)
	}
	if patch := r.do(world.Voyago, "PATCH", path, `{}`); patch.status != 405 {
		t.Fatalf("PATCH gave %d", patch.status)
	}
	r.Advance(time.Minute)
	if gone := r.do(world.Voyago, "DELETE", path, ""); gone.status != 204 {
		t.Fatalf("status %d", gone.status)
	}
	since := r.walk(world.Voyago, "/rest/Bookings?modifiedSince=1772438460")
	if len(since) != 1 || since[0]["removedAt"] == nil || len(r.walk(world.Voyago, "/rest/Bookings")) != 0 {
		t.Fatalf("tombstones: %v", since)
	}
}

func TestTidyAndDesklineOfferLittle(t *testing.T) {
	r := open(t, world.Options{Whole: true})
	job := `{"number":"T-9","property":"L-001","type":"CLEAN","day":"2026-03-04","status":"todo"}`
	for range 2 { // nothing makes a create safe
		if got := r.do(world.Tidy, "POST", "/jobs", job, "Idempotency-Key", "k"); got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if found := r.walk(world.Tidy, "/jobs?number=t-9"); len(found) != 2 {
		t.Fatalf("found %v", found)
	}
	if got := r.do(world.Tidy, "PATCH", "/jobs/1", `{"status":"doing"}`, "If-Match", "x"); got.status != 422 || !strings.Contains(string(got.body), "in progress") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	message := `{"external_id":"MSG-9","channel":"mail","author":"host","sent":"2026-03-02T07:30:00Z","is_read":true}`
	one := r.do(world.Deskline, "POST", "/inbox/messages", message, "Idempotency-Key", "k")
	again := r.do(world.Deskline, "POST", "/inbox/messages", message, "Idempotency-Key", "k")
	if one.status != 201 || string(one.body) != string(again.body) || again.header.Get("Idempotent-Replayed") == "" {
		t.Fatalf("%d %s, then %s", one.status, one.body, again.body)
	}
	if got := r.do(world.Deskline, "DELETE", "/inbox/messages/msg_00001", ""); got.status != 405 {
		t.Fatalf("%d", got.status)
	}
	if n := len(r.Effects()); n != 3 {
		t.Fatalf("%d effects", n)
	}
}

// credential is the header or the query by which a system knows its client.
func credential(system string) (header, value, query string) {
	switch system {
	case world.PMS:
		return "Authorization", "Bearer pms-token", ""
	case world.Staybnb:
		return "X-Api-Key", "staybnb-token", ""
	case world.Voyago:
		return "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("voyago:token")), ""
	case world.Deskline:
		return "Authorization", "Token deskline-token", ""
	}
	return "", "", "api_key=tidy-token"
}

func TestNobodyGetsInWithoutACredential(t *testing.T) {
	r := open(t, world.Options{Whole: true})
	for at, root := range roots() {
		got := r.send("GET", r.servers.URL[at[0]]+root, "", "X-None", "1")
		if want := map[bool]int{true: 403, false: 401}[at[0] == world.Staybnb]; got.status != want {
			t.Errorf("%s: %d", at[0], got.status)
		}
	}
}

// The first records of all entities agree but for a few, in every system.
func TestTheWholeWorldBeginsNearlyTrue(t *testing.T) {
	r := open(t, world.Options{Seed: 7, Records: 400, Whole: true})
	report := world.Verify(r.World, world.VerifyOptions{})
	if report.OK() {
		t.Fatal("nothing is to be done in this world")
	}
	for _, f := range report.Entities {
		if f.Keys < 100 || f.Agree*2 < f.Keys || f.Disagree < 5 || f.Fields < f.Keys {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{world.CheckLostEdit, world.CheckDoubleEffect, world.CheckInvented, world.CheckCause, world.CheckBlind, world.CheckUnknown} {
		if n := report.Count(check); n > 0 {
			t.Errorf("%d times %s:\n%s", n, check, report)
		}
	}
}

// People work on every entity, in every system where it is theirs to edit.
func TestPeopleWorkOnEverything(t *testing.T) {
	r := open(t, world.Options{Seed: 7, Records: 120, Whole: true})
	edits, err := r.Live(24*time.Hour, 800, world.Mix{})
	if err != nil {
		t.Fatal(err)
	}
	streams, ops := map[string]int{}, map[string]int{}
	for _, e := range edits {
		streams[e.Entity+"@"+e.System]++
		ops[e.Entity+" "+string(e.Op)]++
	}
	if len(streams) != 13 {
		t.Errorf("edits in %d of 13 streams: %v", len(streams), streams)
	}
	for _, want := range []string{"bookings create", "bookings delete", "messages create", "tasks create", "tasks delete", "prices update", "availability update"} {
		if ops[want] == 0 {
			t.Errorf("no %s: %v", want, ops)
		}
	}
	if ops["messages delete"]+ops["prices create"] > 0 {
		t.Errorf("%v", ops)
	}
	if n := world.Verify(r.World, world.VerifyOptions{}).Count(world.CheckCause); n > 0 {
		t.Errorf("%d versions have no cause", n)
	}
	if !slices.Contains(world.Entities(), world.Tasks) || len(world.Fields("nothing")) != 0 {
		t.Error("the entities are not what they are")
	}
}
