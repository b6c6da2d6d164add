package protocol

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func TestNextStep(t *testing.T) {
	base := Doubt{Op: pipeline.OpUpdate, FirstSent: start, LastSent: start, HasID: true, CanFetch: true, Settle: time.Minute}
	with := func(change func(*Doubt)) Doubt { d := base; change(&d); return d }
	keyed := with(func(d *Doubt) { d.Protocol, d.Retention = pipeline.ByIdempotencyKey, 24*time.Hour })
	create := with(func(d *Doubt) { d.Op, d.HasID = pipeline.OpCreate, false })
	for _, c := range []struct {
		name  string
		doubt Doubt
		after time.Duration
		want  Step
	}{
		{"a key is repeated at once", keyed, 0, Resend},
		{"a key is trusted for half of its retention", keyed, 12*time.Hour - 1, Resend},
		{"past half of its retention a key proves nothing", keyed, 12 * time.Hour, ReadBack},
		{"a refused key proves nothing", with(func(d *Doubt) {
			d.Protocol, d.Retention, d.KeyRefused = pipeline.ByIdempotencyKey, 24*time.Hour, true
		}), time.Minute, ReadBack},
		{"a read waits until listings have caught up", with(func(d *Doubt) { d.Protocol = pipeline.ByPrecondition }), time.Minute - 1, Wait},
		{"then the record is read", with(func(d *Doubt) { d.Protocol = pipeline.ByPrecondition }), time.Minute, ReadBack},
		{"without a read only a person knows", with(func(d *Doubt) { d.CanFetch = false }), time.Minute, Hold},
		{"a create that a listing shows is not repeated under its key", with(func(d *Doubt) { *d = create; d.Listed = true }), 0, Shown},
		{"a delete of what is proven absent is over", with(func(d *Doubt) { d.Op, d.Absent = pipeline.OpDelete, true }), 0, Ended},
		{"a create is searched by our key", with(func(d *Doubt) { *d = create; d.Protocol = pipeline.BySearchableKey }), time.Minute, Search},
		{"not while it may still be executing", with(func(d *Doubt) { *d = create; d.Protocol = pipeline.BySearchableKey; d.Settle = 0 }), time.Minute - 1, Wait},
		{"a system that refuses a second one is searched at once", with(func(d *Doubt) { *d = create; d.Protocol = pipeline.ByUniqueKey; d.Settle = 0 }), 0, Search},
		{"a create without a key is never repeated", with(func(d *Doubt) { *d = create; d.Protocol = pipeline.ByNothing }), time.Minute, Hold},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Next(c.doubt, start.Add(c.after)); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name  string
		op    pipeline.WriteOp
		by    pipeline.Protocol
		sight Sight
		want  Verdict
	}{
		{"all fields as sent", pipeline.OpUpdate, pipeline.ByNothing, Sight{Fields: 2, After: 2}, DidApply},
		{"all fields as before", pipeline.OpUpdate, pipeline.ByNothing, Sight{Fields: 2, Before: 2}, NotYet},
		{"a third value", pipeline.OpUpdate, pipeline.ByNothing, Sight{Fields: 2, Before: 1}, Unclear},
		{"a third value under a precondition is somebody else's", pipeline.OpUpdate, pipeline.ByPrecondition, Sight{Fields: 2, Before: 1}, Moved},
		{"there under a delete", pipeline.OpDelete, pipeline.ByNothing, Sight{Fields: 0}, NotYet},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Judge(c.op, c.by, c.sight); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A create that may have happened is repeated only under a key that the target
// still remembers: everything else could make a second record.
func TestACreateIsNeverRepeatedBlindly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Doubt{Op: pipeline.OpCreate, FirstSent: start, LastSent: start,
			Protocol: rapid.SampledFrom([]pipeline.Protocol{pipeline.ByIdempotencyKey, pipeline.ByPrecondition,
				pipeline.ByUniqueKey, pipeline.BySearchableKey, pipeline.ByNothing}).Draw(t, "protocol"),
			HasID: rapid.Bool().Draw(t, "id"), CanFetch: rapid.Bool().Draw(t, "fetch"), KeyRefused: rapid.Bool().Draw(t, "refused"),
			Retention: time.Duration(rapid.IntRange(0, 48).Draw(t, "retention")) * time.Hour,
			Settle:    time.Duration(rapid.IntRange(0, 30).Draw(t, "settle")) * time.Minute}
		after := time.Duration(rapid.IntRange(0, 72).Draw(t, "after")) * time.Hour
		if Next(d, start.Add(after)) != Resend {
			return
		}
		if d.Protocol != pipeline.ByIdempotencyKey || d.KeyRefused || after >= d.Retention/2 {
			t.Fatalf("repeats a create of %+v after %s", d, after)
		}
	})
}

func TestKeyChangesWithTheCorrectionAndNotWithTheAttempt(t *testing.T) {
	one, two := int64(1), int64(2)
	keys := map[string]bool{}
	for _, k := range []string{Key("c", &one, 0), Key("c", &two, 0), Key("c", nil, 0), Key("c", &one, 1), Key("d", &one, 0)} {
		keys[k] = true
	}
	if len(keys) != 5 {
		t.Fatalf("five corrections have %d keys", len(keys))
	}
	if !keys[Key("c", ptr(int64(1)), 0)] {
		t.Fatal("a retry has another key")
	}
}

func ptr[T any](v T) *T { return &v }
