package world_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// quirky serves a world with three bookings at staybnb, and one fault at the first
// fitting request.
func quirky(t *testing.T, f world.Fault) (r *rig, ids []string) {
	t.Helper()
	f.Nth = 1
	r = open(t, world.Options{})
	for _, code := range []string{"A", "B", "C"} {
		ids = append(ids, r.create(world.Staybnb, booking(code, "notes", "a rather long note,  with blanks")))
		r.Advance(time.Minute)
	}
	if err := r.SetFaults(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if unfired := r.Unfired(); len(unfired) > 0 {
			t.Errorf("unfired: %v", unfired)
		}
		for _, c := range r.FaultCounts() {
			if c.Fired != 1 {
				t.Errorf("%s fired %d times", c.Fault, c.Fired)
			}
		}
		if n := world.Verify(r.World, world.VerifyOptions{}).Count(world.CheckCause); n > 0 {
			t.Errorf("%d versions without a cause", n)
		}
	})
	return r, ids
}

// list gives the IDs of two pages of two.
func (r *rig) pagesOfTwo() (ids []string) {
	for _, offset := range []string{"0", "2"} {
		doc := r.do(world.Staybnb, "GET", "/v2/reservations?limit=2&offset="+offset, "").json(r.t)
		for _, row := range rows(r.t, doc, "data") {
			ids = append(ids, row["id"].(string))
		}
	}
	return ids
}

func TestFaultRepeatShowsARowOnTwoPages(t *testing.T) {
	r, ids := quirky(t, world.Fault{Kind: world.Repeat})
	if got := r.pagesOfTwo(); fmt.Sprint(got) != fmt.Sprint([]string{ids[0], ids[1], ids[1], ids[2]}) {
		t.Fatalf("got %v", got)
	}
}

func TestFaultOmitLeavesARowOut(t *testing.T) {
	r, _ := quirky(t, world.Fault{Kind: world.Omit})
	if got := r.pagesOfTwo(); len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	if got := r.pagesOfTwo(); len(got) != 3 {
		t.Fatalf("then %v", got)
	}
}

func TestFaultEmptyIsAVanishedPartition(t *testing.T) {
	r, _ := quirky(t, world.Fault{Kind: world.Empty})
	got := r.do(world.Staybnb, "GET", "/v2/reservations?listing_ref=L-001", "").json(t)
	if n := len(rows(t, got, "data")); n != 0 || got["meta"].(map[string]any)["total"] != json.Number("0") {
		t.Fatalf("got %v", got)
	}
}

func TestFaultNoAccessLooksLikeADelete(t *testing.T) {
	r, ids := quirky(t, world.Fault{Kind: world.NoAccess})
	path := "/v2/reservations/" + ids[0]
	hidden, there := r.do(world.Staybnb, "GET", path, ""), r.do(world.Staybnb, "GET", path, "")
	gone := r.do(world.Staybnb, "GET", "/v2/reservations/R-999999", "")
	if hidden.status != 404 || there.status != 200 || strings.ReplaceAll(string(hidden.body), ids[0], "R-999999") != string(gone.body) {
		t.Fatalf("%d %s, then %d", hidden.status, hidden.body, there.status)
	}
}

func TestFaultMalformBreaksOneRecordAndSaysSo(t *testing.T) {
	r, _ := quirky(t, world.Fault{Kind: world.Malform})
	got := string(r.do(world.Staybnb, "GET", "/v2/reservations", "").body)
	if strings.Count(got, "$error") != 1 {
		t.Fatalf("got %s", got)
	}
	spoiled := 0
	for _, s := range r.Serves()[0].Records {
		if s.Spoiled {
			spoiled++
		}
	}
	if spoiled != 1 {
		t.Fatalf("%d spoiled rows of %v", spoiled, r.Serves())
	}
}

func TestFaultLagAndStaleShowTheStateOfAWhileAgo(t *testing.T) {
	r, ids := quirky(t, world.Fault{Kind: world.Lag, Lag: 30 * time.Second})
	path := "/v2/reservations/" + ids[2]
	r.Advance(time.Minute)
	r.do(world.Staybnb, "PATCH", path, `{"note":"new"}`)
	old := rows(t, r.do(world.Staybnb, "GET", "/v2/reservations", "").json(t), "data")
	now := rows(t, r.do(world.Staybnb, "GET", "/v2/reservations", "").json(t), "data")
	if len(old) != 3 || old[2]["note"] == "new" || now[2]["note"] != "new" {
		t.Fatalf("%v, then %v", old, now)
	}
	if err := r.SetFaults(world.Fault{Kind: world.Stale, Nth: 1, Lag: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	stale := r.do(world.Staybnb, "GET", path, "").json(t)["data"].(map[string]any)
	fresh := r.do(world.Staybnb, "GET", path, "").json(t)["data"].(map[string]any)
	if stale["note"] == "new" || fresh["note"] != "new" {
		t.Fatalf("%v, then %v", stale, fresh)
	}
	if s := r.Serves(); s[3].Records[0].Version >= s[4].Records[0].Version {
		t.Fatalf("the truth knows which version was shown: %v", s)
	}
}

func TestFaultNormaliseKeepsAnotherValueThanWasSent(t *testing.T) {
	long := "éé a rather long note, with blanks"
	for how, c := range map[world.Fold]struct{ field, sent, body, want string }{
		world.Truncate20: {"notes", long, `{"note":"` + long + `"}`, "éé a rather long not"},
		world.Upper:      {"notes", "late", `{"note":"late"}`, "LATE"},
		world.Trim:       {"guest_name", " Ana  Maria ", `{"guest":{"name":" Ana  Maria "}}`, "Ana Maria"},
		world.Round:      {"price", "99.50", `{"total_cents":9950}`, "100.00"},
	} {
		t.Run(string(how), func(t *testing.T) {
			r, ids := quirky(t, world.Fault{Kind: world.Normalise, How: how, Field: c.field})
			got := r.do(world.Staybnb, "PATCH", "/v2/reservations/"+ids[0], c.body)
			now := r.Records(world.Staybnb)[0].Now()
			if got.status != 200 || now.Values.Get(c.field) != c.want || *now.Asked[c.field] != c.sent {
				t.Fatalf("%d, kept %q, asked %v", got.status, now.Values.Get(c.field), now.Asked)
			}
		})
	}
}

func TestFaultDefaultsFillInWhatWasNotSent(t *testing.T) {
	r, _ := quirky(t, world.Fault{Kind: world.Defaults})
	got := r.do(world.Staybnb, "POST", "/v2/reservations", newReservation).json(t)["data"].(map[string]any)
	if got["note"] != "n/a" || got["guest"].(map[string]any)["name"] != "n/a" {
		t.Fatalf("got %v", got)
	}
}

func TestFaultSkewIsAClockThatIsOff(t *testing.T) {
	r, ids := quirky(t, world.Fault{Kind: world.Skew, System: world.Staybnb, Skew: -time.Hour})
	r.Advance(3 * time.Hour)
	for _, note := range []string{"one", "two"} {
		r.edit(world.Staybnb, ids[0], "notes", note)
	}
	v := r.Records(world.Staybnb)[0].Versions
	if off := r.Edits()[3].At.Sub(v[1].UpdatedAt); off != time.Hour || !v[2].UpdatedAt.Equal(r.Edits()[4].At) {
		t.Fatalf("off by %s, then %v", off, v[2].UpdatedAt)
	}
}

func TestFaultSlowWaitsBeforeTheAnswer(t *testing.T) {
	var waited time.Duration
	r := open(t, world.Options{Faults: []world.Fault{{Kind: world.Slow, Nth: 1, Delay: time.Hour}},
		Wait: func(_ context.Context, d time.Duration) { waited += d }})
	if got := r.do(world.PMS, "GET", "/api/bookings", ""); got.status != 200 || waited != time.Hour || len(r.Unfired()) > 0 {
		t.Fatalf("%d after %s", got.status, waited)
	}
}

// Real waiting ends when the client goes.
func TestASlowAnswerDoesNotOutliveItsClient(t *testing.T) {
	r := open(t, world.Options{Faults: []world.Fault{{Kind: world.Slow, Nth: 1, Delay: time.Hour}}})
	r.client.Timeout = 20 * time.Millisecond
	if got := r.do(world.PMS, "GET", "/api/bookings", ""); got.err == nil {
		t.Fatalf("status %d", got.status)
	}
}

func TestFaultsOfPeopleChangeKeysAndMakeRecordsAgain(t *testing.T) {
	for kind, want := range map[world.Kind]func(r *rig, ids []string) string{
		world.Rekey: func(r *rig, ids []string) string {
			e := r.Edits()[3]
			return fmt.Sprintf("%v %s->%s", slices.Contains(ids, e.ID), e.Was, e.Key)
		},
		world.Remake: func(r *rig, _ []string) string {
			gone, again := r.Edits()[3], r.Edits()[4]
			return fmt.Sprintf("%s %s %v %v", gone.Op, again.Op, gone.Key == again.Key, gone.ID == again.ID)
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			r, ids := quirky(t, world.Fault{Kind: kind})
			r.Advance(48 * time.Hour) // people leave alone what somebody just edited
			r.do(world.Staybnb, "GET", "/v2/reservations", "")
			got := want(r, ids)
			if !strings.Contains(got, "-B") && got != "delete create true false" {
				t.Fatalf("got %s", got)
			}
		})
	}
}

func TestFaultReviveBringsBackTheSameID(t *testing.T) {
	r, ids := quirky(t, world.Fault{Kind: world.Revive})
	if _, err := r.Delete(world.Staybnb, ids[1]); err != nil {
		t.Fatal(err)
	}
	if got := r.do(world.Staybnb, "GET", "/v2/reservations/"+ids[1], ""); got.status != 200 {
		t.Fatalf("status %d", got.status)
	}
	if e := r.Edits(); e[4].Op != world.Create || e[4].ID != ids[1] || e[4].Key != "B" {
		t.Fatalf("the truth has %v", e)
	}
	if _, err := r.Of(world.Bookings).Revive(world.Staybnb, ids[1]); err == nil {
		t.Fatal("a live record was revived")
	}
}

// All weather at once, over everything: the world stays consistent.
func TestHarshWeatherOverTheWholeWorld(t *testing.T) {
	r := open(t, world.Options{Seed: 9, Records: 60, Whole: true, Faults: world.Harsh(0.05), Wait: func(context.Context, time.Duration) {}})
	for range 6 {
		for at, root := range roots() {
			for page := range 3 {
				r.do(at[0], "GET", fmt.Sprintf("%s?limit=5&offset=%d&page=%d", root, 5*page, page+1), "")
			}
		}
		if _, err := r.Day(40); err != nil {
			t.Fatal(err)
		}
	}
	report := world.Verify(r.World, world.VerifyOptions{})
	for _, kind := range []world.Kind{world.Slow, world.Malform, world.Repeat, world.Omit, world.Lag, world.Shift} {
		if report.Faults[kind] == 0 {
			t.Errorf("no %s among %v", kind, report.Faults)
		}
	}
	if n := report.Count(world.CheckCause); n > 0 {
		t.Errorf("%d versions without a cause", n)
	}
}
