package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/stages/review/story"
)

// The matrix comes first: what agrees, what is on its way, what a person has to
// decide; then the story, the newest run first.
func TestExplainShowsWhereARecordStandsAndHowItCameThere(t *testing.T) {
	r := newRental(t, 31, 60)
	r.run(t, "sweep")
	r.world.Advance(time.Hour)
	keys := r.cancelled(t, 2)
	contested := r.contested(t, keys)
	made, err := r.world.Create(world.Staybnb, world.Values{"code": world.Text("HMNEW0001"), "listing_id": world.Text("L-001"),
		"check_in": world.Text("2026-07-01"), "check_out": world.Text("2026-07-04"), "guest_name": world.Text("Ana"), "status": world.Text("confirmed"), "price": world.Text("100.00")})
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"--progress", "none", "--run-at", r.world.Now().UTC().Format(time.RFC3339)}
	for _, args := range [][]string{{"extract", "--mode", "sweep"}, {"reconcile"}} {
		if _, errOut, code := here(t, r.dir, r.with(), append(args, at...)...); code != exitDone && code != exitAttention {
			t.Fatalf("%v: %d %s", args, code, errOut)
		}
	}
	out, errOut, code := here(t, r.dir, r.with(), "explain", "bookings", keys[0])
	if code != exitDone {
		t.Fatal(errOut)
	}
	says(t, out, "field ", "golden ", "from ", "pms", "staybnb", "confirmed (pending)", "agreed", "pending: staybnb status: update ready",
		"golden: status: confirmed -> cancelled (from pms)", "status: confirmed -> cancelled", "is new: ", "it begins here, ")
	order(t, out, "(pending)", "update ready: state: ok -> cancelled", "golden: status", "observed  pms", "golden is new", "it begins here")
	out, _, _ = here(t, r.dir, r.with(), "explain", "bookings", made.Key)
	says(t, out, "no record (pending)", "pending: pms: create ready")
	out, _, _ = here(t, r.dir, r.with(), "explain", "bookings", contested)
	says(t, out, "gone (held)", "(held)", "deleted in staybnb, changed in pms", "is gone")
	var record story.Record
	out, _, _ = here(t, r.dir, r.with(), "explain", "bookings", keys[0], "--output", "json")
	if err := json.Unmarshal([]byte(out), &record); err != nil || len(record.Sides) != 2 || record.Fields[0].Cells["pms"].State != story.Agreed || len(record.Chapters) < 2 {
		t.Errorf("%v %s", err, out)
	}
	_, errOut, code = here(t, r.dir, r.with(), "explain", "bookings", keys[0][:len(keys[0])-1]+"?")
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	says(t, errOut, "nothing is known of bookings", "perhaps "+keys[0])
	_, errOut, _ = here(t, r.dir, r.with(), "explain", "bookings", "entirely-other")
	says(t, errOut, "help: trueup query")
}

// contested edits a booking in the PMS that somebody deletes on the channel.
func (r *rental) contested(t *testing.T, but []string) string {
	t.Helper()
	for _, x := range r.world.Records(world.Staybnb) {
		b := x.Now().Values
		there := r.world.Find(world.PMS, b.Get(world.Code))
		if x.Now().State != world.Live || len(there) != 1 || strings.Contains(strings.Join(but, " "), x.Key()) {
			continue
		}
		if _, err := r.world.Edit(world.PMS, there[0], world.Values{"notes": world.Text("keep the room")}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.world.Delete(world.Staybnb, x.ID); err != nil {
			t.Fatal(err)
		}
		return x.Key()
	}
	t.Fatal("no booking is in both systems")
	return ""
}

// order fails unless the parts stand in a text one after the other.
func order(t *testing.T, text string, parts ...string) {
	t.Helper()
	from := 0
	for _, p := range parts {
		i := strings.Index(text[from:], p)
		if i < 0 {
			t.Fatalf("%q is not after what comes before it in:\n%s", p, text)
		}
		from += i
	}
}

// What is the same several times is told once; what failed is always told.
func TestAStoryFoldsWhatIsTheSameAndNeverAFailure(t *testing.T) {
	var out bytes.Buffer
	c := &cli{out: &out, secrets: observe.NewRedactor(), env: func(string) (string, bool) { return "", false }}
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	same := story.Event{At: at, What: "observed", System: "pms", Text: "7 is as before"}
	failed := story.Event{At: at, What: "outcome", System: "pms", Text: "rejected: no", Failed: true}
	c.printChapter(story.Chapter{Run: "R", Mode: "sweep", At: at, Events: []story.Event{failed, failed, same, same, same, failed}})
	if got := strings.Count(out.String(), "rejected: no"); got != 3 {
		t.Errorf("%d of 3 failures are told:\n%s", got, &out)
	}
	if !strings.Contains(out.String(), "7 is as before (3 times)") || strings.Count(out.String(), "as before") != 1 {
		t.Errorf("%s", &out)
	}
}
