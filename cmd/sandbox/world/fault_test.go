package world_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// struck serves a world with one booking in each system, and one fault at the first fitting request.
func struck(t *testing.T, f world.Fault) (r *rig, id string) {
	t.Helper()
	f.Nth = 1
	wall := func() time.Time { return time.Date(2030, 1, 1, 0, 0, 0, 500, time.UTC) }
	r = open(t, world.Options{Faults: []world.Fault{f}, Wall: wall})
	r.create(world.PMS, booking("A"))
	id = r.create(world.Staybnb, booking("A"))
	t.Cleanup(func() {
		if unfired := r.Unfired(); len(unfired) > 0 {
			t.Errorf("unfired: %v", unfired)
		}
	})
	return r, id
}

const patch = `{"note":"hello"}`

// patchOnce sends the same keyed PATCH.
func (r *rig) patchOnce(id string) result {
	return r.do(world.Staybnb, "PATCH", "/v2/reservations/"+id, patch, "Idempotency-Key", "k1")
}

func TestFaultThrottle(t *testing.T) {
	for kind, want := range map[world.Kind]string{
		world.Throttle: "7", world.ThrottleDate: "Tue, 01 Jan 2030 00:00:08 GMT", world.ThrottleBare: ""} {
		t.Run(string(kind), func(t *testing.T) {
			r, id := struck(t, world.Fault{Kind: kind, RetryAfter: 7 * time.Second})
			got := r.patchOnce(id)
			if got.status != 429 || got.header.Get("Retry-After") != want {
				t.Fatalf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			if len(r.Effects()) != 0 || r.patchOnce(id).status != 200 {
				t.Fatal("a throttled request had an effect, or the fault did not end")
			}
		})
	}
}

func TestFaultUnavailableComesInBursts(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.Unavailable, Count: 3, Status: 502})
	var got []int
	for range 4 {
		got = append(got, r.patchOnce(id).status)
	}
	if want := []int{502, 502, 502, 200}; compact(t, got) != compact(t, want) {
		t.Fatalf("got %v", got)
	}
}

func TestFaultHTMLInA200(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.HTML})
	got := r.patchOnce(id)
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || json.Valid(got.body) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if len(r.Effects()) != 0 {
		t.Fatal("it had an effect")
	}
}

func TestFaultTimeoutBeforeAndAfterLookTheSame(t *testing.T) {
	for kind, effects := range map[world.Kind]int{world.TimeoutBefore: 0, world.TimeoutAfter: 1} {
		t.Run(string(kind), func(t *testing.T) {
			r, id := struck(t, world.Fault{Kind: kind, Call: world.CallUpdate})
			r.do(world.Staybnb, "GET", "/v2/reservations/"+id, "") // so that the connection is a kept one
			got := r.patchOnce(id)
			if !errors.Is(got.err, io.ErrUnexpectedEOF) {
				t.Fatalf("status %d, error %v", got.status, got.err)
			}
			if n := len(r.Effects()); n != effects {
				t.Fatalf("%d effects", n)
			}
			if n := len(r.Requests()); n != 2 {
				t.Fatalf("%d requests: the client repeated one by itself", n)
			}
			if again := r.patchOnce(id); again.status != 200 || len(r.Effects()) != 1 {
				t.Fatalf("the same key again: status %d, %d effects", again.status, len(r.Effects()))
			}
		})
	}
}

func TestFaultLandsLate(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.LandsLate})
	if got := r.patchOnce(id); got.err == nil || len(r.Effects()) != 0 {
		t.Fatalf("status %d, %d effects", got.status, len(r.Effects()))
	}
	if got := r.patchOnce(id); got.status != 409 {
		t.Fatalf("in flight, the key gave %d", got.status)
	}
	r.Advance(time.Second)
	if n := len(r.Effects()); n != 1 || r.Requests()[0].Effect != 1 {
		t.Fatalf("%d effects", n)
	}
	if got := r.patchOnce(id); got.status != 200 || len(r.Effects()) != 1 {
		t.Fatalf("landed, the key gave %d, %d effects", got.status, len(r.Effects()))
	}
}

func TestFaultReset(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.Reset, Call: world.CallUpdate})
	path := "/v2/reservations/" + id
	if got := r.do(world.Staybnb, "PATCH", path, patch); got.err == nil || len(r.Effects()) != 0 {
		t.Fatalf("status %d, error %v", got.status, got.err)
	}
	r.do(world.Staybnb, "GET", path, "")
	if err := r.SetFaults(world.Fault{Kind: world.Reset, Nth: 1}); err != nil {
		t.Fatal(err)
	}
	got := r.do(world.Staybnb, "GET", path, "")
	if q := r.Requests(); got.status != 200 || len(q) != 4 || q[2].Fault != world.Reset {
		t.Fatalf("Go repeats a read on a kept connection without a word, and only the world sees both: %d, %v", got.status, q)
	}
}

func TestFaultErrorAfterTookEffect(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.ErrorAfter, Status: 504})
	if got := r.patchOnce(id); got.status != 504 || len(r.Effects()) != 1 {
		t.Fatalf("status %d, %d effects", got.status, len(r.Effects()))
	}
	if got := r.patchOnce(id); got.status != 200 || len(r.Effects()) != 1 {
		t.Fatalf("the same key again: status %d, %d effects", got.status, len(r.Effects()))
	}
}

func TestFaultSavedErrorIsReplayed(t *testing.T) {
	for kind, effects := range map[world.Kind]int{world.SavedError: 0, world.SavedErrorAfter: 1} {
		t.Run(string(kind), func(t *testing.T) {
			r, id := struck(t, world.Fault{Kind: kind})
			first, second := r.patchOnce(id), r.patchOnce(id)
			if first.status != 500 || second.status != 500 || string(first.body) != string(second.body) {
				t.Fatalf("%d %s, then %d %s", first.status, first.body, second.status, second.body)
			}
			if n := len(r.Effects()); n != effects {
				t.Fatalf("%d effects", n)
			}
			fresh := r.do(world.Staybnb, "PATCH", "/v2/reservations/"+id, patch, "Idempotency-Key", "k2")
			if fresh.status != 200 {
				t.Fatalf("a new key gave %d", fresh.status)
			}
		})
	}
}

func TestFaultTruncateBreaksTheBodyAndCutHidesIt(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.Truncate})
	if got := r.patchOnce(id); !errors.Is(got.err, io.ErrUnexpectedEOF) || len(r.Effects()) != 1 {
		t.Fatalf("status %d, error %v, %d effects", got.status, got.err, len(r.Effects()))
	}
	r, id = struck(t, world.Fault{Kind: world.Cut})
	if got := r.patchOnce(id); got.err != nil || got.status != 200 || json.Valid(got.body) {
		t.Fatalf("status %d, error %v, body %s", got.status, got.err, got.body)
	}
	if serves := r.Serves(); len(serves) != 1 || serves[0].Delivered {
		t.Fatalf("a broken answer is none that showed something: %v", serves)
	}
}

func TestFaultVanishDeletesSilently(t *testing.T) {
	r, id := struck(t, world.Fault{Kind: world.Vanish, System: world.Staybnb})
	r.Advance(48 * time.Hour) // people leave alone what somebody just edited
	if got := r.do(world.Staybnb, "GET", "/v2/reservations/"+id, ""); got.status != 404 {
		t.Fatalf("status %d", got.status)
	}
	if e := r.Edits(); !e[2].Silent || e[2].ID != id {
		t.Fatalf("the truth has %v", e)
	}
}

func TestFaultsMatchByMethodPathAndNumber(t *testing.T) {
	r := open(t, world.Options{Faults: []world.Fault{
		{Kind: world.Unavailable, Method: http.MethodGet, Path: "/api/*/4001", Nth: 2},
		{Kind: world.Unavailable, System: world.Staybnb, Nth: 1},
	}})
	r.create(world.PMS, booking("A"))
	var got []int
	for _, path := range []string{"/api/bookings/4001", "/api/bookings", "/api/bookings/4001", "/api/bookings/4001"} {
		got = append(got, r.do(world.PMS, "GET", path, "").status)
	}
	if compact(t, got) != "[200,200,503,200]" {
		t.Fatalf("got %v", got)
	}
	if err := r.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if u := r.Unfired(); len(u) != 1 || u[0].System != world.Staybnb {
		t.Fatalf("a fault that never fired is reported, also after it was taken away: %v", u)
	}
}

func TestFaultsOfOneRequestWaitForEachOther(t *testing.T) {
	r := open(t, world.Options{Faults: []world.Fault{{Kind: world.Unavailable, Nth: 1}, {Kind: world.Throttle, Nth: 1}}})
	first, second := r.do(world.PMS, "GET", "/api/bookings", ""), r.do(world.PMS, "GET", "/api/bookings", "")
	if first.status != 503 || second.status != 429 || len(r.Unfired()) != 0 {
		t.Fatalf("%d, then %d", first.status, second.status)
	}
}

func TestFaultsThatCouldNeverFireAreRefused(t *testing.T) {
	for _, f := range []world.Fault{{Kind: "sluggish", Nth: 1}, {Kind: world.HTML}, {Kind: world.HTML, Nth: 1, Rate: 0.1},
		{Kind: world.HTML, Rate: 1.5}, {Kind: world.HTML, Nth: 1, System: "airbnb"}, {Kind: world.HTML, Nth: 1, Path: "["}} {
		if _, err := world.New(world.Options{Faults: []world.Fault{f}}); err == nil {
			t.Errorf("%v was accepted", f)
		}
	}
}

func TestFaultsByRateAreSeeded(t *testing.T) {
	run := func(seed uint64) (hits []world.Kind) {
		r := open(t, world.Options{Seed: seed, Records: 5, Faults: []world.Fault{
			{Kind: world.Unavailable, Rate: 0.1, Count: 2}, {Kind: world.ThrottleBare, Rate: 0.1}}})
		for range 100 {
			r.do(world.PMS, "GET", "/api/bookings", "")
		}
		for _, q := range r.Requests() {
			hits = append(hits, q.Fault)
		}
		return hits
	}
	a, b, c := compact(t, run(5)), compact(t, run(5)), compact(t, run(6))
	if a != b || a == c {
		t.Fatal("the same seed throws the same dice, another seed others")
	}
	if n := strings.Count(a, "unavailable"); n < 5 || n > 50 {
		t.Fatalf("%d of 100 at rate 0.1 in bursts of two", n)
	}
}
