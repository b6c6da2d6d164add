package fault_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"pgregory.net/rapid"
)

func TestWhatAStatusMeans(t *testing.T) {
	const (
		get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
		key, version               = pipeline.ByIdempotencyKey, pipeline.ByPrecondition
		unique, search, none       = pipeline.ByUniqueKey, pipeline.BySearchableKey, pipeline.ByNothing
	)
	for _, c := range []struct {
		method   string
		status   int
		protocol pipeline.Protocol
		facts    fault.Fact
		want     fault.Verdict
	}{
		{get, 200, none, 0, fault.Done},
		{get, 304, none, 0, fault.Done},
		{get, 301, none, 0, fault.Reject},
		{get, 400, none, 0, fault.Reject},
		{get, 403, none, 0, fault.Reject},
		{get, 404, none, 0, fault.NotFound},
		{get, 408, none, 0, fault.Retry},
		{get, 429, none, 0, fault.Retry},
		{get, 500, none, 0, fault.Retry},
		{get, 501, none, 0, fault.Reject},
		{get, fault.NoAnswer, none, 0, fault.Retry},

		{post, 201, none, 0, fault.Done},
		{post, 202, none, 0, fault.InDoubt},
		{post, 207, none, 0, fault.Done},
		{post, 302, none, 0, fault.Reject},
		{post, 303, none, 0, fault.InDoubt},
		{post, 307, none, 0, fault.Reject},
		{post, 400, none, 0, fault.Reject},
		{post, 422, none, 0, fault.Reject},
		{post, 428, none, 0, fault.Reject},

		{post, 401, none, 0, fault.AuthRefresh},
		{post, 401, none, fault.Refreshed, fault.Reject},
		{patch, 404, version, 0, fault.NotFound},
		{del, 404, none, fault.LostBefore, fault.NotFound},
		{del, 410, none, 0, fault.NotFound},

		{post, 408, none, 0, fault.InDoubt},
		{post, 500, none, 0, fault.InDoubt},
		{post, 503, none, 0, fault.InDoubt},
		{post, 599, none, 0, fault.InDoubt},
		{post, fault.NoAnswer, none, 0, fault.InDoubt},
		{put, 500, none, 0, fault.InDoubt},
		{patch, fault.NoAnswer, version, 0, fault.InDoubt},
		{post, 502, unique, 0, fault.InDoubt},
		{post, 502, search, 0, fault.InDoubt},
		{post, 408, key, 0, fault.Retry},
		{post, 500, key, 0, fault.Retry},
		{post, fault.NoAnswer, key, 0, fault.Retry},
		{post, 500, key, fault.SameTwice, fault.InDoubt},

		{post, 409, key, fault.KeyInFlight, fault.Retry},
		{post, 409, key, 0, fault.Duplicate},
		{post, 409, key, fault.KeyReused, fault.InDoubt},
		{post, 422, key, fault.KeyReused, fault.InDoubt},
		{post, 409, unique, 0, fault.Duplicate},
		{post, 409, unique, fault.LostBefore, fault.Duplicate},
		{post, 409, none, fault.LostBefore, fault.InDoubt},
		{put, 409, unique, 0, fault.Duplicate},
		{put, 409, version, 0, fault.Precondition},
		{put, 409, version, fault.LostBefore, fault.InDoubt},
		{patch, 409, none, 0, fault.Reject},

		{patch, 412, version, 0, fault.Precondition},
		{patch, 412, version, fault.LostBefore, fault.InDoubt},

		{post, 421, none, 0, fault.Retry},
		{post, 423, none, 0, fault.Retry},
		{post, 425, none, 0, fault.Retry},
		{post, 429, none, 0, fault.Retry},
		{post, 501, key, 0, fault.Reject},
		{post, 505, none, 0, fault.Reject},
		{post, 101, none, 0, fault.InDoubt},
		{post, 777, none, 0, fault.InDoubt},
		{get, 777, none, 0, fault.Reject},
	} {
		t.Run(fmt.Sprintf("%s %d %s %d", c.method, c.status, c.protocol, c.facts), func(t *testing.T) {
			if got := fault.Classify(c.method, c.status, c.protocol, c.facts); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestExceptionsComeBeforeTheTable(t *testing.T) {
	x := fault.Exceptions{202: fault.Done, 418: fault.Retry}
	if got := x.Classify(http.MethodPost, 202, pipeline.ByNothing); got != fault.Done {
		t.Errorf("202 with an exception: %s, want done", got)
	}
	if got := x.Classify(http.MethodPost, 500, pipeline.ByNothing); got != fault.InDoubt {
		t.Errorf("500 without one: %s, want in doubt", got)
	}
}

// A write without a retained key is repeated blindly only after a status that
// says by definition that nothing was processed.
func TestNoAnswerIsNotTakenForNotDone(t *testing.T) {
	safe := map[int]bool{421: true, 423: true, 425: true, 429: true}
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.SampledFrom([]string{"POST", "PUT", "PATCH", "DELETE", "MERGE", ""}).Draw(t, "method")
		status := rapid.IntRange(0, 700).Draw(t, "status")
		facts := fault.Fact(rapid.IntRange(0, 31).Draw(t, "facts"))
		protocol := rapid.SampledFrom([]pipeline.Protocol{pipeline.ByPrecondition, pipeline.ByUniqueKey,
			pipeline.BySearchableKey, pipeline.ByNothing, ""}).Draw(t, "protocol")
		if got := fault.Classify(method, status, protocol, facts); got == fault.Retry && !safe[status] {
			t.Fatalf("%s %d under %q would be sent again", method, status, protocol)
		}
	})
}

// Whatever is known, an answer that may hide an effect is never called a failure.
func TestAmbiguousIsNeverRejected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom([]int{fault.NoAnswer, 408, 500, 502, 503, 504, 520, 524}).Draw(t, "status")
		method := rapid.SampledFrom([]string{"POST", "PUT", "PATCH", "DELETE"}).Draw(t, "method")
		facts := fault.Fact(rapid.IntRange(0, 31).Draw(t, "facts"))
		protocol := rapid.SampledFrom([]pipeline.Protocol{pipeline.ByIdempotencyKey, pipeline.ByPrecondition,
			pipeline.ByUniqueKey, pipeline.BySearchableKey, pipeline.ByNothing}).Draw(t, "protocol")
		got := fault.Classify(method, status, protocol, facts)
		if got != fault.InDoubt && got != fault.Retry {
			t.Fatalf("%s %d under %s: %s", method, status, protocol, got)
		}
	})
}

func TestTheZeroVerdictIsInDoubt(t *testing.T) {
	var v fault.Verdict
	if v != fault.InDoubt || v.String() != "in doubt" || fault.Verdict(99).String() != "in doubt" {
		t.Errorf("zero verdict is %s", v)
	}
}
