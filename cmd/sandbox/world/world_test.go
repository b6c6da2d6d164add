package world_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// everything is the whole truth as text.
func everything(t testing.TB, w *world.World) string {
	t.Helper()
	return compact(t, []any{w.Records(world.PMS), w.Records(world.Staybnb), w.Edits(), w.Effects(), w.Now()})
}

func TestTheSameSeedMakesTheSameWorld(t *testing.T) {
	live := func(seed uint64) string {
		r := open(t, world.Options{Seed: seed, Records: 80, Faults: world.Rough(0.05)})
		for range 3 {
			if _, err := r.Day(30); err != nil {
				t.Fatal(err)
			}
			r.do(world.Staybnb, "POST", "/v2/reservations", newReservation)
			r.do(world.Staybnb, "GET", "/v2/reservations?offset=10", "")
		}
		return everything(t, r.World)
	}
	first, again, other := live(7), live(7), live(8)
	if first != again {
		t.Fatal("the same seed and the same calls gave two worlds")
	}
	if first == other {
		t.Fatal("two seeds gave one world")
	}
}

func TestTheFirstBookingsHoldWhatBreaksCarelessCode(t *testing.T) {
	r := open(t, world.Options{Seed: 7, Records: 500})
	codes := map[string]map[string]world.Values{}
	for _, system := range []string{world.PMS, world.Staybnb} {
		for _, rec := range r.Records(system) {
			b := rec.Now().Values
			if codes[rec.Key()] == nil {
				codes[rec.Key()] = map[string]world.Values{}
			}
			codes[rec.Key()][system] = b
		}
	}
	count := map[string]int{}
	for _, sides := range codes {
		p, inPMS := sides[world.PMS]
		s, inStaybnb := sides[world.Staybnb]
		switch {
		case !inPMS:
			count["only at staybnb"]++
		case !inStaybnb && p.Get(world.Channel) == world.Staybnb:
			count["only in the PMS"]++
		case inStaybnb && p.Get(world.Code) != s.Get(world.Code):
			count["code spelled otherwise"]++
		case inStaybnb && len(p.Changed(s)) > 0:
			count["different"]++
		}
		for _, b := range sides {
			countTexts(count, b)
		}
	}
	for _, want := range []string{"only at staybnb", "only in the PMS", "code spelled otherwise", "different",
		"empty note", "null note", "not ASCII", "quote", "comma", "line end", "👶"} {
		if count[want] == 0 {
			t.Errorf("no booking is %q", want)
		}
	}
	if len(codes) != 500 {
		t.Errorf("%d bookings", len(codes))
	}
}

func countTexts(count map[string]int, b world.Values) {
	if b[world.Notes] == nil {
		count["null note"]++
	} else if b.Get(world.Notes) == "" {
		count["empty note"]++
	}
	text := b.Get(world.GuestName) + b.Get(world.Notes)
	for what, part := range map[string]string{"quote": `"`, "comma": ",", "line end": "\n", "👶": "👶", "not ASCII": "ü"} {
		if strings.Contains(text, part) {
			count[what]++
		}
	}
}

func TestADayOfEditsIsPlausible(t *testing.T) {
	r := open(t, world.Options{Seed: 7, Records: 300})
	start := r.Now()
	edits, err := r.Live(6*time.Hour, 400, world.Mix{})
	if err != nil {
		t.Fatal(err)
	}
	if len(edits) < 400 || !r.Now().Equal(start.Add(6*time.Hour)) {
		t.Fatalf("%d edits, it is %v", len(edits), r.Now())
	}
	ops, systems := map[world.Op]int{}, map[string]int{}
	dead := map[string]bool{}
	for i, e := range edits {
		ops[e.Op]++
		systems[e.System]++
		if i > 0 && e.At.Before(edits[i-1].At) || e.At.Before(start) {
			t.Fatalf("out of order: %v", e)
		}
		if dead[e.Key] {
			t.Fatalf("somebody works on a booking that is deleted: %v", e)
		}
		dead[e.Key] = e.Op == world.Delete
	}
	if ops[world.Create] < 20 || ops[world.Delete] < 10 || ops[world.Update] < 200 || len(systems) != 2 {
		t.Fatalf("%v, %v", ops, systems)
	}
}

func TestEveryEditMovesUpdatedAtAlthoughTheClockStands(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.PMS, booking("A"))
	for _, note := range []string{"x", "y", "z"} {
		if _, err := r.Edit(world.PMS, id, world.Values{"notes": world.Text(note)}); err != nil {
			t.Fatal(err)
		}
	}
	versions := r.Records(world.PMS)[0].Versions
	for i := 1; i < len(versions); i++ {
		if !versions[i].UpdatedAt.After(versions[i-1].UpdatedAt) {
			t.Fatalf("version %d at %v, version %d at %v", i-1, versions[i-1].UpdatedAt, i, versions[i].UpdatedAt)
		}
	}
}

func TestPeopleMeetTheSameRulesAsClients(t *testing.T) {
	r := open(t, world.Options{})
	id := r.create(world.PMS, booking("A"))
	for _, set := range []world.Values{{"status": world.Text("ok")}, {"check_out": world.Text("2026-05-01")}, {"price": world.Text("1")},
		{"gust": nil}, {"code": nil}} {
		if _, err := r.Edit(world.PMS, id, set); err == nil {
			t.Errorf("%v was accepted", set)
		}
	}
	if _, err := r.Edit("airbnb", id, nil); err == nil {
		t.Error("an unknown system was accepted")
	}
	if _, err := r.Delete(world.PMS, "77"); err == nil {
		t.Error("an unknown record was deleted")
	}
	if n := len(r.Edits()); n != 1 {
		t.Errorf("%d edits: a refused one was kept", n)
	}
}

// stir does random things to a world: people, clients, faults, time.
func stir(t *rapid.T, r *rig) {
	ids := func(system string) []string {
		var out []string
		for _, rec := range r.Records(system) {
			out = append(out, rec.ID)
		}
		return out
	}
	for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
		note := compact(r.t, map[string]string{"note": fmt.Sprint("n", i)})
		switch rapid.IntRange(0, 5).Draw(t, "step") {
		case 0:
			if _, err := r.Live(time.Hour, 5, world.Mix{Authority: 3, Other: 1, Both: 1, Create: 1, Delete: 1, Contested: 1}); err != nil {
				t.Fatal(err)
			}
		case 1:
			r.do(world.Staybnb, "PATCH", "/v2/reservations/"+rapid.SampledFrom(ids(world.Staybnb)).Draw(t, "id"), note,
				"Idempotency-Key", fmt.Sprint("k", rapid.IntRange(0, 3).Draw(t, "key")))
		case 2:
			r.do(world.PMS, "DELETE", "/api/bookings/"+rapid.SampledFrom(ids(world.PMS)).Draw(t, "id"), "")
		case 3:
			r.do(world.Staybnb, "POST", "/v2/reservations", strings.ReplaceAll(newReservation, "HM9", fmt.Sprint("HM", i)))
		case 4:
			r.do(world.Staybnb, "GET", "/v2/reservations?limit=5&offset=5", "")
		case 5:
			r.Advance(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
		}
	}
	r.Advance(0) // what a fault held back lands
}

func TestEditsAndEffectsExplainEveryVersion(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := open(t, world.Options{Seed: rapid.Uint64().Draw(rt, "seed"), Records: 20, Faults: world.Rough(0.1)})
		stir(rt, r)
		report := world.Verify(r.World, world.VerifyOptions{})
		if n := report.Count(world.CheckCause); n > 0 {
			rt.Fatalf("%d unexplained versions:\n%s", n, report)
		}
		versions := 0
		for _, rec := range slices.Concat(r.Records(world.PMS), r.Records(world.Staybnb)) {
			for _, v := range rec.Versions {
				if v.Cause.Kind != world.BySeed {
					versions++
				}
			}
		}
		if made := len(r.Edits()) + len(r.Effects()); made != versions {
			rt.Fatalf("%d edits and effects made %d versions", made, versions)
		}
	})
}

func TestAJournalRestoresTheWorld(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var journal bytes.Buffer
		o := world.Options{Seed: rapid.Uint64().Draw(rt, "seed"), Records: 20, Journal: &journal}
		r := open(t, o)
		stir(rt, r)
		torn := journal.String() + `{"edit":{"seq":`
		o.Journal = nil
		again, err := world.Restore(o, strings.NewReader(torn))
		if err != nil {
			rt.Fatal(err)
		}
		if a, b := everything(t, r.World), everything(t, again); a != b {
			rt.Fatalf("before\n%s\nafter\n%s", a, b)
		}
		for _, w := range []*world.World{r.World, again} { // and it goes on in the same way
			if _, err := w.Day(10); err != nil {
				rt.Fatal(err)
			}
		}
		if everything(t, r.World) != everything(t, again) {
			rt.Fatal("the restored world lives on differently")
		}
		keys := serve(t, again)
		for _, q := range r.Effects() {
			if k := q.Headers["Idempotency-Key"]; k != "" && q.Op == world.Update && again.Now().Sub(q.At) < 24*time.Hour {
				if got := keys.do(world.Staybnb, q.Method, q.Path, q.Body, "Idempotency-Key", k); got.header.Get("Idempotent-Replayed") == "" {
					rt.Fatalf("key %s is forgotten: status %d", k, got.status)
				}
			}
		}
	})
}

func TestABrokenJournalIsRefused(t *testing.T) {
	for _, text := range []string{"nonsense\n", `{"version":{"system":"airbnb"}}` + "\n"} {
		if _, err := world.Restore(world.Options{}, strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPeopleAndClientsMayActAtOnce(t *testing.T) {
	r := open(t, world.Options{Seed: 2, Records: 40, Faults: world.Rough(0.02)})
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := range 20 {
				id := fmt.Sprintf("R-%06d", 1+(n+i)%10)
				r.do(world.Staybnb, "PATCH", "/v2/reservations/"+id, patch, "Idempotency-Key", fmt.Sprint(n, "/", i%7))
				r.do(world.PMS, "GET", "/api/bookings?limit=5", "")
			}
		})
	}
	for range 20 {
		if _, err := r.Live(time.Minute, 3, world.Mix{}); err != nil {
			t.Fatal(err)
		}
		_ = world.Verify(r.World, world.VerifyOptions{}).String()
	}
	all.Wait()
	if report := world.Verify(r.World, world.VerifyOptions{}); report.Count(world.CheckCause) > 0 || report.Count(world.CheckDoubleEffect) > 0 {
		t.Fatalf("\n%s", report)
	}
}

// Whoever watches sees a request when it has taken effect and its answer is still here.
func TestTheWatcherIsToldBetweenTheEffectAndTheAnswer(t *testing.T) {
	var told []world.Request
	var w *world.World
	w, err := world.New(world.Options{Watch: func(r world.Request) {
		if r.Effect != int64(len(w.Effects())) {
			t.Errorf("request %d was told before its effect", r.N)
		}
		told = append(told, r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, w)
	r.do(world.PMS, "POST", "/api/bookings", `{"code":"HM1","channel":"direct","listing_id":"L-001","check_in":"2026-05-01","check_out":"2026-05-04","guest_name":"Ana","price":"120.50","status":"confirmed","notes":null}`)
	if len(told) != 1 || told[0].Effect != 1 || told[0].Status != 201 {
		t.Fatalf("told %+v", told)
	}
}
