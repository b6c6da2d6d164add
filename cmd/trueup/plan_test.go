package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/stages/review"
	"github.com/trueup-data/trueup/stages/review/story"
)

// cancelled cancels confirmed bookings of the channel in the PMS, and gives their keys.
func (r *rental) cancelled(t *testing.T, n int) []string {
	t.Helper()
	var keys []string
	for _, x := range r.world.Records(world.Staybnb) {
		b := x.Now().Values
		there := r.world.Find(world.PMS, b.Get(world.Code))
		if x.Now().State != world.Live || len(there) != 1 || len(keys) == n {
			continue
		}
		if state, known := r.world.Get(world.PMS, there[0]); !known || state.Get(world.Status) != "confirmed" {
			continue
		}
		if _, err := r.world.Edit(world.PMS, there[0], world.Values{"status": world.Text("cancelled")}); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, x.Key())
	}
	return keys
}

// A plan counts first, shows each effect once with who made it so, and says last
// what to do.
func TestAPlanGroupsWhatIsTheSameAndSaysWhoChangedIt(t *testing.T) {
	r := newRental(t, 21, 150)
	out, _, code := here(t, r.dir, r.with(), "run", "--mode", "sweep", "--progress", "none")
	if code != exitAttention {
		t.Fatal(out)
	}
	out, errOut, code := here(t, r.dir, r.with(), "plan")
	if code != exitDone {
		t.Fatal(errOut)
	}
	says(t, out, "entity    system   state    create  update  delete", "bookings@staybnb  planned", "by authority", "such as HM", "help: trueup approve plan-")
	if strings.Index(out, "entity ") > strings.Index(out, "bookings@staybnb") || strings.Index(out, " changes: ") < strings.LastIndex(out, "  update  ") {
		t.Errorf("counts come first, the sum last:\n%s", out)
	}
	full, _, _ := here(t, r.dir, r.with(), "plan", "--full")
	raw, _, _ := here(t, r.dir, r.with(), "plan", "--output", "json")
	var planned []story.Change
	if err := json.Unmarshal([]byte(raw), &planned); err != nil || len(planned) == 0 {
		t.Fatalf("%v %s", err, raw)
	}
	lines := 0
	for _, op := range []string{"create", "update", "delete"} {
		lines += strings.Count(full, "\n  "+op+"  ")
	}
	if lines != len(planned) {
		t.Errorf("%d lines for %d changes:\n%s", lines, len(planned), full)
	}
	for _, x := range planned {
		if x.By == "" || x.Op == "update" && x.Rule != "authority" {
			t.Errorf("who made it so? %+v", x)
		}
		says(t, full, x.Key)
	}
	diff, _, _ := here(t, r.dir, r.with(), "plan", "--diff", "--entity", "bookings")
	says(t, diff, "field", "before", "after")
}

func TestALoadPrintsTheShapeOfAPlanWithOutcomes(t *testing.T) {
	r := newRental(t, 22, 60)
	r.run(t, "sweep")
	r.world.Advance(time.Hour)
	first := r.cancelled(t, 9)
	if len(first) != 9 {
		t.Fatalf("only %v", first)
	}
	r.world.Advance(time.Hour)
	at := []string{"--progress", "none", "--run-at", r.world.Now().UTC().Format(time.RFC3339)}
	for _, verb := range []string{"extract", "reconcile"} {
		if out, errOut, code := here(t, r.dir, r.with(), append([]string{verb}, at...)...); code != exitDone {
			t.Fatalf("%s: %d %s%s", verb, code, out, errOut)
		}
	}
	plan, _, _ := here(t, r.dir, r.with(), "plan")
	says(t, plan, "records  state: ", " -> cancelled  (pms by authority) such as "+slices.Min(first), "next: trueup load (", "bookings@staybnb  ready")
	if strings.Contains(plan, "... and") {
		t.Errorf("it is cut:\n%s", plan)
	}
	out, errOut, code := here(t, r.dir, r.with(), append([]string{"load"}, at...)...)
	if code != exitDone {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	says(t, out, "outcome", "bookings@staybnb  applied", "records  state: ", "cancelled  (pms by authority)", "9 changes: 9 update", "everything that may be sent is confirmed")
}

// What waits is counted and named as it should go on.
func TestAPlanSaysHowItGoesOn(t *testing.T) {
	r := newRental(t, 23, 60)
	out, _, _ := here(t, r.dir, r.with(), "run", "--mode", "sweep", "--progress", "none", "--output", "json")
	var first runReport
	if err := json.Unmarshal([]byte(out), &first); err != nil {
		t.Fatal(err)
	}
	all := first.Reconciled[0].Waiting
	raw, _, _ := here(t, r.dir, r.with(), "plan", "--output", "json")
	var planned []story.Change
	if err := json.Unmarshal([]byte(raw), &planned); err != nil {
		t.Fatal(err)
	}
	here(t, r.dir, r.with(), "reject", planned[0].ID, "--reason", "no", "--by", "ana")
	here(t, r.dir, r.with(), "approve", planned[1].ID, "--by", "ben")
	plan, _, _ := here(t, r.dir, r.with(), "plan")
	says(t, plan, "rejected by ana", "approved by ben", "next: trueup load (1 change)", "the next run withdraws", "trueup approve "+first.Reconciled[0].Plan)
	out, _, _ = here(t, r.dir, r.with(), "load", "--progress", "none")
	says(t, out, fmt.Sprintf("%s more wait for a person", plural(all-2, "change", "changes")))
}

// An approval covers what was shown. Where a record moved on, the plan says who had
// approved another change of it, and what of it is not the same.
func TestAPlanNamesWhatMovedSinceItWasApproved(t *testing.T) {
	r := newRental(t, 24, 60)
	here(t, r.dir, r.with(), "run", "--mode", "sweep", "--progress", "none")
	raw, _, _ := here(t, r.dir, r.with(), "plan", "--output", "json")
	var planned []story.Change
	if err := json.Unmarshal([]byte(raw), &planned); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(planned, func(x story.Change) bool {
		return x.Op == "update" && x.System == "staybnb" && x.After["total_cents"] != nil
	})
	if i < 0 {
		t.Fatalf("no total is to be updated: %s", raw)
	}
	here(t, r.dir, r.with(), "approve", planned[i].ID, "--by", "ana")
	if _, err := r.world.Edit(world.PMS, r.world.Find(world.PMS, planned[i].Key)[0], world.Values{"price": world.Text("1.23")}); err != nil {
		t.Fatal(err)
	}
	r.world.Advance(time.Hour)
	here(t, r.dir, r.with(), "run", "--mode", "sweep", "--progress", "none")
	plan, _, _ := here(t, r.dir, r.with(), "plan", "--full")
	says(t, plan, "ana approved another total_cents")
}

// What is ready only because a person approved it is not said to be sent once the
// approval is over: the load would not send it.
func TestAPlanDoesNotPromiseWhatAnApprovalThatIsOverAllowed(t *testing.T) {
	r := newRental(t, 25, 60)
	here(t, r.dir, r.with(), "run", "--mode", "sweep", "--progress", "none")
	raw, _, _ := here(t, r.dir, r.with(), "plan", "--output", "json")
	var planned []story.Change
	if err := json.Unmarshal([]byte(raw), &planned); err != nil || len(planned) < 2 {
		t.Fatal(err, raw)
	}
	here(t, r.dir, r.with(), "approve", planned[0].ID, "--by", "ana")
	if _, errOut, code := here(t, r.dir, r.with(), "reconcile", "--progress", "none"); code == exitFailed {
		t.Fatal(errOut)
	}
	env := r.with()
	c := &cli{out: io.Discard, err: io.Discard, env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		flags: flags{project: filepath.Join(r.dir, "trueup.yaml")}, secrets: observe.NewRedactor()}
	for _, later := range []time.Duration{0, review.Lifetime + time.Hour} {
		err := c.withSession(t.Context(), func(a *app, s *duck.Session, head *lake.Snapshot) error {
			p, err := story.ReadPlan(t.Context(), s, a.project, head.Clock(time.Now()).Add(later), story.Cut{})
			if n := p.Next; n.Loading+n.Lapsed != 1 || (n.Lapsed == 1) != (later > 0) {
				t.Errorf("after %s: %+v", later, n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
