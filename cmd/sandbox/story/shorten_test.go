package story

import (
	"slices"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

const runText = `run 01M8 at commit 9, run_at 2026-03-02T08:00:00Z
settled    bookings@pms         0 sent, 0 applied, 0 unclear
extracted  bookings@pms         sweep complete: 1,983 read, 0 new, 3 changed, 0 deleted
extracted  bookings@staybnb     incremental partial: 17 read, 2 new, 0 changed
reconciled bookings             1,000 keys judged, 12 golden records written, 0 sides overridden
           pms                  planned create: 17
help: trueup plan, then: trueup approve plan-01M8   or   trueup reject plan-01M8
loaded     bookings@pms         49 sent, 48 applied, 0 stale, 1 tried again
`

func TestWhatDidNotHappenIsLeftOut(t *testing.T) {
	for line, want := range map[string]string{
		"x: 9 read, 0 new, 2 changed":                "x: 9 read, 2 changed",
		"loaded  bookings@pms  49 sent, 0 applied":   "loaded  bookings@pms  49 sent",
		"x: 0 read, 0 new":                           "",
		"loaded  bookings@pms  0 sent, 3 applied":    "loaded  bookings@pms  3 applied",
		"loaded  bookings@pms  0 sent, 0 applied":    "",
		"x: 10 read, 100 new":                        "x: 10 read, 100 new",
		"every key, type and expression holds":       "every key, type and expression holds",
		"reconciled bookings  3 keys judged, 0 more": "reconciled bookings  3 keys judged",
	} {
		if got := withoutZeros(line); got != want {
			t.Errorf("%q became %q, not %q", line, got, want)
		}
	}
}

func TestFiguresAreSummedOverLines(t *testing.T) {
	for word, want := range map[string]int{"read": 2000, "sent": 49, "new": 2, "applied": 48, "refused": 0, "keys judged": 1000} {
		if got := figure(runText, word); got != want {
			t.Errorf("%d %s, not %d", got, word, want)
		}
	}
	if got := figures(runText, "read", "refused", "sent"); got != "2000 read, 49 sent" {
		t.Error(got)
	}
	if got := figures("0 read", "read"); got != "nothing new" {
		t.Error(got)
	}
}

func TestThePlanIsFoundWhereTheRunOffersIt(t *testing.T) {
	if got := planIn(runText); got != "plan-01M8" {
		t.Errorf("plan %q", got)
	}
	if got := planIn("done in 3s"); got != "" {
		t.Errorf("plan %q of nothing", got)
	}
}

func TestLinesAreChosenByTheirFirstWords(t *testing.T) {
	got := linesWith(runText, "extracted", "planned", "pms")
	if len(got) != 3 || got[2] != "pms                  planned create: 17" {
		t.Errorf("%q", got)
	}
}

func TestAPlanSumsItselfUp(t *testing.T) {
	const text = "bookings@pms  planned\n  create  6 records\n\n1,026 changes: 6 create, 1,020 update\nnext: trueup load (4 changes)\n"
	if got := planSum(text); got != "1,026 changes: 6 create, 1,020 update" {
		t.Errorf("%q", got)
	}
}

func TestLongLinesAreClippedOrWrappedByCharacters(t *testing.T) {
	if got := clip("čšž, ćđ and more", 10); got != "čšž, ćđ..." || clip("short", 10) != "short" {
		t.Errorf("%q", got)
	}
	got := wrap("  edits 231 by people: 195 in both, 14 replaced", 24, 4)
	if !slices.Equal(got, []string{"  edits 231 by people:", "    195 in both, 14", "    replaced"}) {
		t.Errorf("%q", got)
	}
	if got := wrap(strings.Repeat("x", 30), 10, 4); len(got) != 1 { // nowhere to break
		t.Errorf("%q", got)
	}
}

func TestPeopleAndFaultsAreTold(t *testing.T) {
	edits := []world.Edit{{Op: world.Update}, {Op: world.Create}, {Op: world.Delete}, {Op: world.Delete, Silent: true}, {Op: world.Update}}
	if got := people(edits); got != "2 edits, 1 new, 2 deleted (1 silently)" {
		t.Error(got)
	}
	if got := people(nil); got != "nothing" {
		t.Error(got)
	}
	requests := []world.Request{{Call: world.CallList, Fault: world.Cut}, {Call: world.CallUpdate}, {Call: world.CallDelete, Fault: world.Cut}}
	if got := faultsOf(requests); got != "2 faults" || writes(requests) != 2 || faultsOf(nil) != "-" {
		t.Errorf("%s, %d writes", got, writes(requests))
	}
}

func TestOneRunDiesAndNotTheLast(t *testing.T) {
	for n := 2; n < 30; n++ {
		killed := 0
		hours := workday(n)
		for _, h := range hours {
			if h.kill > 0 {
				killed++
			}
		}
		if killed != 1 || hours[n-1].kill > 0 || len(hours) != n {
			t.Errorf("%d hours: %d die, the last at %d", n, killed, hours[n-1].kill)
		}
	}
}

func TestTheTripwireFiresOnceAtTheNthEffect(t *testing.T) {
	var w tripwire
	var fired []int64
	w.arm(2, func(r world.Request) { fired = append(fired, r.N) })
	for n := range int64(6) {
		w.request(world.Request{N: n, Effect: n % 2}) // every other request has an effect
	}
	if !slices.Equal(fired, []int64{3}) {
		t.Errorf("fired at %v", fired)
	}
	w.arm(1, func(world.Request) { t.Error("fired after it was disarmed") })
	w.disarm()
	w.request(world.Request{Effect: 1})
}

func TestDifferencesAreNamedAsTheWorldNamesThem(t *testing.T) {
	for name, want := range map[string]string{"*": "", "": world.Presence, "total_cents": "price", "guest.name": "guest_name", "notes": "notes", "name": "guest_name"} {
		if got := fieldOf(world.Bookings, world.Staybnb, name); got != want {
			t.Errorf("%q is %q, not %q", name, got, want)
		}
	}
}
