// Package protocol decides what to do about a write whose outcome is not known,
// from what the API offers and what a look at the system showed. It is pure: it
// must never do I/O or read a clock.
package protocol

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/trueup-data/trueup/pipeline"
)

// Step is what to do next about a doubt.
type Step string

// The steps.
const (
	Wait     Step = "wait"      // not due: the system may still show the state before
	Resend   Step = "resend"    // the same request with the same idempotency key
	ReadBack Step = "read back" // by ID
	Search   Step = "search"    // by our key
	Shown    Step = "shown"     // it was done: a listing shows the record
	Ended    Step = "ended"     // it was done: the record is proven absent
	Hold     Step = "hold"      // only a person can know
)

// Doubt is a write that was sent and has no known outcome.
type Doubt struct {
	Op          pipeline.WriteOp
	Protocol    pipeline.Protocol
	FirstSent   time.Time
	LastSent    time.Time
	Listed      bool          // of a create: a listing has shown the record since
	Absent      bool          // of a delete: the record is proven absent since
	HasID       bool          // the record can be read by ID
	CanFetch    bool          // the target reads by ID at all
	KeyRefused  bool          // the idempotency key was refused for other content, or replayed a failure
	Retention   time.Duration // of idempotency keys; 0: none
	Settle      time.Duration // how long listings and reads may lag behind writes
	SendsInARow int           // of this run
}

// late is how long a request without an answer may go on executing: longer than
// proxies and servers let one run.
const late = time.Minute

// Next decides the next step of d at now. A key is trusted for half of its
// retention, counted from the first send. A create that the system would do twice
// is not looked for while the one before may still be executing: it would not be
// found, be sent again, and be there twice.
func Next(d Doubt, now time.Time) Step {
	if d.Listed {
		return Shown
	}
	if d.Absent {
		return Ended
	}
	if d.Protocol == pipeline.ByIdempotencyKey && !d.KeyRefused && now.Sub(d.FirstSent) < d.Retention/2 {
		return Resend
	}
	grace := d.Settle
	if d.Op == pipeline.OpCreate && d.Protocol == pipeline.BySearchableKey {
		grace = max(grace, late)
	}
	if now.Sub(d.LastSent) < grace {
		return Wait
	}
	if d.Op != pipeline.OpCreate {
		if d.HasID && d.CanFetch {
			return ReadBack
		}
		return Hold
	}
	switch d.Protocol {
	case pipeline.ByUniqueKey, pipeline.BySearchableKey:
		return Search
	default:
		return Hold
	}
}

// Sight is what a read by ID showed of the fields that a change sends.
type Sight struct {
	Fields int // that the change sends
	After  int // of them, equal to what was sent
	Before int // of them, equal to what was there before
}

// Verdict is what a sight says of a doubted write.
type Verdict string

// The verdicts.
const (
	DidApply Verdict = "applied"
	NotYet   Verdict = "not applied" // safe to send again, under a new generation
	Moved    Verdict = "stale"       // somebody else wrote
	Unclear  Verdict = "unclear"     // ours altered, or theirs: nobody can tell
)

// Judge says what the sight of a record after a doubt proves.
func Judge(op pipeline.WriteOp, p pipeline.Protocol, s Sight) Verdict {
	if op == pipeline.OpDelete {
		return NotYet
	}
	switch {
	case s.After == s.Fields:
		return DidApply
	case s.Before == s.Fields:
		return NotYet
	case p == pipeline.ByPrecondition:
		return Moved
	default:
		return Unclear
	}
}

// Key is the idempotency key of a write: of the change, the observation it
// corrects, and a generation that rises only when a look proved that the write
// before did not happen. So a retry keeps the key, and the same correction next
// month has another.
func Key(change string, observed *int64, generation int64) string {
	seen := "none"
	if observed != nil {
		seen = fmt.Sprintf("%d", *observed)
	}
	sum := xxh3.HashString128(fmt.Sprintf("%s\x00%s\x00%d", change, seen, generation)).Bytes()
	return "trueup-" + hex.EncodeToString(sum[:])
}
