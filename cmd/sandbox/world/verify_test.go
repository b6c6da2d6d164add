package world_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// patchPMS writes as a client would that looks first; patchStaybnb likewise.
func (r *rig) patchPMS(id, body string) {
	r.t.Helper()
	tag := r.do(world.PMS, "GET", "/api/bookings/"+id, "").header.Get("ETag")
	if got := r.do(world.PMS, "PATCH", "/api/bookings/"+id, body, "If-Match", tag); got.status != 200 {
		r.t.Fatalf("status %d: %s", got.status, got.body)
	}
}

func (r *rig) patchStaybnb(id, body string) {
	r.t.Helper()
	r.do(world.Staybnb, "GET", "/v2/reservations/"+id, "")
	if got := r.do(world.Staybnb, "PATCH", "/v2/reservations/"+id, body); got.status != 200 {
		r.t.Fatalf("status %d: %s", got.status, got.body)
	}
}

// clear empties a field, as a person does.
func (r *rig) clear(system, id, field string) {
	r.t.Helper()
	r.Advance(time.Minute)
	if _, err := r.Edit(system, id, world.Values{field: nil}); err != nil {
		r.t.Fatal(err)
	}
}

// reservation is what pair makes, as staybnb writes it.
func reservation(code string) string {
	return `{"confirmation_code":"` + code + `","listing_ref":"L-001","guest":{"name":"Ana"},"total_cents":12050,` +
		`"arrival":"01/05/2026","departure":"04/05/2026","state":"ok"}`
}

func (r *rig) report(known ...world.Difference) world.Report {
	return world.Verify(r.World, world.VerifyOptions{Known: known})
}

// TestVerifyCatches: each story ends in exactly the problems it names.
func TestVerifyCatches(t *testing.T) {
	for name, story := range map[string]struct {
		tell func(r *rig, pms, staybnb string)
		want []string // check + field
	}{
		"nothing in a quiet world": {func(*rig, string, string) {}, nil},
		"an edit that never arrives": {func(r *rig, pms, _ string) {
			r.edit(world.PMS, pms, "price", "130.00")
		}, []string{"disagreement price", "lost edit price"}},
		"an edit of the authority that the other side replaces": {func(r *rig, pms, staybnb string) {
			r.edit(world.PMS, pms, "price", "130.00")
			r.patchPMS(pms, `{"price":"120.50"}`)
			r.do(world.Staybnb, "GET", "/v2/reservations/"+staybnb, "")
		}, []string{"lost edit price"}},
		"a guest name that only the PMS changed is overridden": {func(r *rig, pms, _ string) {
			r.edit(world.PMS, pms, "guest_name", "Anna")
			r.patchPMS(pms, `{"guest_name":"Ana"}`)
		}, nil},
		"a guest name that the guest changed is not": {func(r *rig, _, staybnb string) {
			r.edit(world.Staybnb, staybnb, "guest_name", "Anna")
			r.patchStaybnb(staybnb, `{"guest":{"name":"Ana"}}`)
		}, []string{"lost edit guest_name"}},
		"a note that only staybnb had is blanked": {func(r *rig, _, staybnb string) {
			r.edit(world.Staybnb, staybnb, "notes", "late")
			r.patchStaybnb(staybnb, `{"note":null}`)
		}, []string{"lost edit notes"}},
		"a note that was set back before anybody was shown it is none": {func(r *rig, pms, staybnb string) {
			r.do(world.PMS, "GET", "/api/bookings/"+pms, "")
			r.edit(world.PMS, pms, "notes", "x")
			r.clear(world.PMS, pms, "notes")
			r.edit(world.Staybnb, staybnb, "notes", "late")
			r.do(world.Staybnb, "GET", "/v2/reservations/"+staybnb, "")
			r.patchPMS(pms, `{"notes":"late"}`)
		}, nil},
		"a note that was set back after it was shown is not": {func(r *rig, pms, staybnb string) {
			r.do(world.PMS, "GET", "/api/bookings/"+pms, "")
			r.edit(world.PMS, pms, "notes", "x")
			r.do(world.PMS, "GET", "/api/bookings/"+pms, "")
			r.clear(world.PMS, pms, "notes")
			r.edit(world.Staybnb, staybnb, "notes", "late")
			r.do(world.Staybnb, "GET", "/v2/reservations/"+staybnb, "")
			r.patchPMS(pms, `{"notes":"late"}`)
		}, []string{"lost edit notes", "lost edit notes"}},
		"a note that the PMS cleared rules": {func(r *rig, pms, staybnb string) {
			r.edit(world.PMS, pms, "notes", "x")
			r.clear(world.PMS, pms, "notes")
			r.edit(world.Staybnb, staybnb, "notes", "late")
			r.patchStaybnb(staybnb, `{"note":null}`)
		}, nil},
		"an edit that a later one replaced": {func(r *rig, pms, staybnb string) {
			r.edit(world.PMS, pms, "price", "130.00")
			r.edit(world.PMS, pms, "price", "140.00")
			r.patchStaybnb(staybnb, `{"total_cents":14000}`)
		}, nil},
		"the earlier of two edits wins": {func(r *rig, pms, staybnb string) {
			r.edit(world.PMS, pms, "price", "130.00")
			r.edit(world.PMS, pms, "price", "140.00")
			r.patchStaybnb(staybnb, `{"total_cents":13000}`)
			r.patchPMS(pms, `{"price":"130.00"}`)
		}, []string{"lost edit price"}},
		"a create sent twice without a key": {func(r *rig, _, _ string) {
			r.create(world.PMS, booking("HM9", "guest_name", "Ana"))
			r.do(world.Staybnb, "POST", "/v2/reservations", reservation("HM9"))
			r.do(world.Staybnb, "POST", "/v2/reservations", reservation("HM9"))
		}, []string{"disagreement presence", "double effect presence"}},
		"a create of what was there": {func(r *rig, _, _ string) {
			r.do(world.Staybnb, "POST", "/v2/reservations", reservation("hm1"))
		}, []string{"disagreement presence", "double effect presence"}},
		"a key used beyond its retention": {func(r *rig, _, staybnb string) {
			for range 2 {
				r.do(world.Staybnb, "PATCH", "/v2/reservations/"+staybnb, `{"total_cents":12050}`, "Idempotency-Key", "k")
				r.Advance(30 * time.Hour)
			}
		}, []string{"double effect "}},
		"a delete that nobody asked for": {func(r *rig, pms, staybnb string) {
			r.do(world.PMS, "GET", "/api/bookings/"+pms, "")
			r.do(world.Staybnb, "GET", "/v2/reservations/"+staybnb, "")
			r.do(world.PMS, "DELETE", "/api/bookings/"+pms, "")
			r.do(world.Staybnb, "DELETE", "/v2/reservations/"+staybnb, "")
		}, []string{"lost edit presence", "lost edit presence", "unasked delete presence", "unasked delete presence"}},
		"a delete that arrives": {func(r *rig, pms, staybnb string) {
			r.do(world.PMS, "GET", "/api/bookings/"+pms, "")
			r.must(r.Delete(world.Staybnb, staybnb))
			r.do(world.PMS, "DELETE", "/api/bookings/"+pms, "")
		}, nil},
		"a delete that never arrives": {func(r *rig, _, staybnb string) {
			r.must(r.Delete(world.Staybnb, staybnb))
		}, []string{"disagreement presence", "lost edit presence"}},
		"a delete that is undone": {func(r *rig, _, staybnb string) {
			r.must(r.Delete(world.Staybnb, staybnb))
			r.do(world.Staybnb, "POST", "/v2/reservations", reservation("HM1"))
		}, []string{"lost edit presence"}},
		"a write over what was never shown": {func(r *rig, pms, staybnb string) {
			r.edit(world.Staybnb, staybnb, "price", "99.00") // overridden by rule, but not unseen
			r.do(world.Staybnb, "PATCH", "/v2/reservations/"+staybnb, `{"total_cents":12050}`)
		}, []string{"blind write price"}},
		"a value from nowhere": {func(r *rig, pms, staybnb string) {
			r.patchPMS(pms, `{"notes":"synced"}`)
			r.patchStaybnb(staybnb, `{"note":"synced"}`)
		}, []string{"invented value notes", "invented value notes"}},
		"a booking that left the channel": {func(r *rig, pms, _ string) {
			r.edit(world.PMS, pms, "channel", "phone")
		}, []string{"disagreement channel", "disagreement presence", "lost edit channel"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, world.Options{})
			pms, staybnb := r.pair("HM1")
			story.tell(r, pms, staybnb)
			report := r.report()
			var got []string
			for _, p := range report.Problems {
				got = append(got, p.Check+" "+p.Field)
			}
			if sorted(got) != sorted(story.want) {
				t.Fatalf("found %q, not %q:\n%s", got, story.want, report)
			}
		})
	}
}

func (r *rig) must(_ world.Edit, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func sorted(list []string) string { return fmt.Sprintf("%q", slices.Sorted(slices.Values(list))) }

func TestVerifyAcceptsKnownDifferencesAndNothingElse(t *testing.T) {
	r := open(t, world.Options{})
	pms, _ := r.pair("HM1")
	r.edit(world.PMS, pms, "price", "130.00")
	r.edit(world.PMS, pms, "notes", "late")
	report := r.report(world.Difference{Key: "hm1", Field: "price"})
	for _, p := range report.Problems {
		if p.Field != "notes" {
			t.Errorf("%s", p)
		}
	}
	if len(report.Problems) == 0 || report.Known["told"] != 1 {
		t.Errorf("\n%s", report)
	}
	all := r.report(world.Difference{Key: "HM1"})
	if !all.OK() || all.Total().Known != 1 || all.Total().Agree != 0 || all.Edits.Known != 2 {
		t.Errorf("\n%s", all)
	}
	if other := r.report(world.Difference{Key: "HM2"}); other.OK() {
		t.Errorf("\n%s", other)
	}
}

func TestVerifyCountsAKnownDeleteAsHeld(t *testing.T) {
	r := open(t, world.Options{})
	_, staybnb := r.pair("HM1")
	r.must(r.Delete(world.Staybnb, staybnb))
	if report := r.report(world.Difference{Key: "HM1", Field: world.Presence}); !report.OK() || report.Edits.Known != 1 {
		t.Fatalf("\n%s", report)
	}
}

func TestTheReportSaysWhatFailedWhereAndWhy(t *testing.T) {
	r := open(t, world.Options{Seed: 1, Records: 300})
	r.do(world.PMS, "GET", "/api/bookings", "")
	text := r.report().String()
	for _, want := range []string{"proof     FAILS: ", "disagreement: bookings HM", "live records where 1 is right", " more\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines > 26 {
		t.Errorf("%d lines:\n%s", lines, text)
	}
	quiet := open(t, world.Options{Faults: []world.Fault{{Kind: world.HTML, Nth: 1}}})
	quiet.pair("HM1")
	quiet.do(world.PMS, "GET", "/api/bookings", "")
	if text := quiet.report().String(); !strings.HasSuffix(text, "proof     holds\n") || !strings.Contains(text, "1 fault (html 1)") {
		t.Errorf("got\n%s", text)
	}
}

// What a system did not keep as it was sent is a known difference, and invents nothing.
func TestVerifyKnowsWhatASystemDidNotKeep(t *testing.T) {
	r := open(t, world.Options{})
	pms, staybnb := r.pair("HM1")
	r.edit(world.PMS, pms, "notes", "a note of more than twenty characters")
	r.must(world.Edit{}, r.SetFaults(world.Fault{Kind: world.Normalise, How: world.Truncate20, Nth: 1}))
	r.patchStaybnb(staybnb, `{"note":"a note of more than twenty characters"}`)
	report := r.report()
	if !report.OK() || report.Known[world.Lossy] != 1 || report.Edits.Kept != 3 {
		t.Fatalf("\n%s", report)
	}
	r.edit(world.PMS, pms, "notes", "another")
	if again := r.report(); again.Count(world.CheckAgree) != 1 || again.Count(world.CheckLostEdit) != 1 {
		t.Fatalf("an old loss excuses no new difference:\n%s", again)
	}
}

func TestVerifyCatchesAWriteToAnUnknownRecord(t *testing.T) {
	r := open(t, world.Options{})
	_, staybnb := r.pair("HM1")
	r.do(world.Staybnb, "GET", "/v2/reservations/"+staybnb, "")
	r.must(world.Edit{}, r.SetFaults(world.Fault{Kind: world.Malform, Nth: 1}))
	r.do(world.Staybnb, "GET", "/v2/reservations", "")
	r.do(world.Staybnb, "PATCH", "/v2/reservations/"+staybnb, `{"total_cents":12050}`)
	if report := r.report(); report.Count(world.CheckUnknown) != 1 {
		t.Fatalf("\n%s", report)
	}
	r.patchStaybnb(staybnb, `{"total_cents":12050}`) // it looks first
	if report := r.report(); report.Count(world.CheckUnknown) != 1 {
		t.Fatalf("\n%s", report)
	}
}

func TestVerifyFollowsAChangedKey(t *testing.T) {
	r := open(t, world.Options{})
	pms, staybnb := r.pair("HM1")
	r.edit(world.PMS, pms, "code", "HM2")
	if report := r.report(); report.Count(world.CheckAgree) != 2 || report.Count(world.CheckLostEdit) != 1 {
		t.Fatalf("\n%s", report)
	}
	r.do(world.Staybnb, "GET", "/v2/reservations/"+staybnb, "")
	r.do(world.Staybnb, "DELETE", "/v2/reservations/"+staybnb, "")
	r.do(world.Staybnb, "POST", "/v2/reservations", reservation("HM2"))
	if report := r.report(); !report.OK() {
		t.Fatalf("\n%s", report)
	}
}

// Where a conflict rule decides, an edit may lose to the one that the rule prefers,
// if neither had seen the other, and to what a person decided; to nothing else.
func TestVerifyKnowsWhoWinsAConflict(t *testing.T) {
	first := func(systems ...string) world.Conflict { return world.Conflict{Rule: world.Priority, Order: systems} }
	latest := world.Conflict{Rule: world.Latest, Skew: 2 * time.Minute}
	for name, c := range map[string]struct {
		rule    world.Conflict
		seen    bool          // the later edit had seen the earlier one
		apart   time.Duration // between the edits
		keep    string        // what both show in the end: the PMS wrote 130.00, then the channel 140.00
		decided bool
		lost    int
	}{
		"priority":                {rule: first(world.PMS, world.Staybnb), keep: "130.00"},
		"priority the other way":  {rule: first(world.Staybnb, world.PMS), keep: "130.00", lost: 1},
		"an earlier one may lose": {rule: first(world.Staybnb, world.PMS), keep: "140.00"},
		"a later one may not win": {rule: first(world.PMS, world.Staybnb), keep: "140.00", lost: 1},
		"seen":                    {rule: first(world.PMS, world.Staybnb), seen: true, keep: "130.00", lost: 1},
		"seen and replaced":       {rule: first(world.PMS, world.Staybnb), seen: true, keep: "140.00"},
		"latest":                  {rule: latest, apart: time.Hour, keep: "140.00"},
		"the older one":           {rule: latest, apart: time.Hour, keep: "130.00", lost: 1},
		"within the skew":         {rule: latest, apart: time.Minute, keep: "130.00"},
		"hold":                    {rule: world.Conflict{Rule: world.Hold}, keep: "130.00", lost: 1},
		"decided":                 {rule: world.Conflict{Rule: world.Hold}, keep: "130.00", decided: true},
		"a third value":           {rule: latest, apart: time.Hour, keep: "150.00", lost: 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, world.Options{})
			pms, staybnb := r.pair("HM1")
			r.edit(world.PMS, pms, "price", "130.00")
			if c.seen {
				r.patchStaybnb(staybnb, `{"total_cents":13000}`)
			}
			r.Advance(c.apart)
			r.edit(world.Staybnb, staybnb, "price", "140.00")
			r.patchStaybnb(staybnb, `{"total_cents":`+strings.Replace(c.keep, ".", "", 1)+`}`)
			if c.keep != "130.00" {
				r.patchPMS(pms, `{"price":"`+c.keep+`"}`)
			}
			o := world.VerifyOptions{Conflict: func(_, field string) world.Conflict { return map[string]world.Conflict{"price": c.rule}[field] }}
			if c.decided {
				o.Decided = []world.Difference{{Entity: world.Bookings, Key: "HM1", Field: "price"}}
			}
			if report := world.Verify(r.World, o); report.Count(world.CheckLostEdit) != c.lost {
				t.Fatalf("\n%s", report)
			}
		})
	}
}

// Where some conflict rule decides, an edit may lose, if people were told of it.
func TestVerifyAsksThatPeopleWereToldOfWhatARuleDecided(t *testing.T) {
	for name, want := range map[string]int{"told": 0, "not told": 1} {
		t.Run(name, func(t *testing.T) {
			r := open(t, world.Options{})
			pms, staybnb := r.pair("HM1")
			r.edit(world.PMS, pms, "price", "130.00")
			r.edit(world.Staybnb, staybnb, "price", "140.00")
			r.patchStaybnb(staybnb, `{"total_cents":13000}`)
			report := world.Verify(r.World, world.VerifyOptions{
				Contested: func(_, field string) bool { return field == "price" },
				Outvoted:  func(e world.Edit, _ string) bool { return want == 0 && e.System == world.Staybnb },
			})
			if report.Count(world.CheckLostEdit) != want {
				t.Fatalf("\n%s", report)
			}
		})
	}
}

// The same proof holds and fails for every entity.
func TestVerifyLooksAtEveryEntityAndSystem(t *testing.T) {
	r := open(t, world.Options{Whole: true})
	task := world.Values{"ref": world.Text("T-1"), "listing_id": world.Text("L-001"), "kind": world.Text("clean"), "due": world.Text("2026-03-04"),
		"state": world.Text("open")}
	var ids []string
	for _, system := range []string{world.PMS, world.Tidy} {
		e, err := r.Of(world.Tasks).Create(system, task)
		r.must(e, err)
		ids = append(ids, e.ID)
	}
	if report := r.report(); !report.OK() || report.Total().Keys != 1 {
		t.Fatalf("\n%s", report)
	}
	r.must(r.Of(world.Tasks).Edit(world.Tidy, ids[1], world.Values{"state": world.Text("done")}))
	report := r.report()
	if report.Count(world.CheckAgree) != 1 || report.Count(world.CheckLostEdit) != 1 || report.Problems[0].Entity != world.Tasks {
		t.Fatalf("\n%s", report)
	}
	if known := r.report(world.Difference{Entity: world.Tasks, Key: "T-1", Field: "state", Why: "held"}); !known.OK() || known.Known["held"] != 1 {
		t.Fatalf("\n%s", known)
	}
	if other := r.report(world.Difference{Key: "T-1"}); other.OK() {
		t.Fatalf("a difference of a booking excuses no task:\n%s", other)
	}
}
