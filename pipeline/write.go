package pipeline

import (
	"errors"
	"time"
)

// ErrNeedsRead is Prepare's answer when the request needs what only a read by ID
// tells: a precondition, or the whole body. The caller reads, and prepares again.
var ErrNeedsRead = errors.New("the record has to be read first")

// WriteOp is what a change does to a record in one system.
type WriteOp string

// The operations of a change.
const (
	OpCreate WriteOp = "create"
	OpUpdate WriteOp = "update"
	OpDelete WriteOp = "delete"
)

// Values are stream fields by declared name in canonical text; nil is null. A
// field that is not in the map is not part of the change.
type Values map[string]*string

// Protocol is what an API offers to make a write safe to repeat; the strongest
// one wins, in this order.
type Protocol string

// The protocols of a write.
const (
	ByIdempotencyKey Protocol = "idempotency_key"
	ByPrecondition   Protocol = "precondition"
	ByUniqueKey      Protocol = "unique_key"     // a key of ours, enforced by the target
	BySearchableKey  Protocol = "searchable_key" // a key of ours, findable but not enforced
	ByNothing        Protocol = "none"
)

// Write is one change for one system, ready to be made into a request.
type Write struct {
	Change         string // change ID
	Op             WriteOp
	Key            string            // canonical key text
	KeyFields      map[string]string // entity key fields in canonical text, for {{ key.x }}
	ID             string            // "" for a create
	Before         Values
	After          Values
	Base           *Batch // newest raw record (one row), for bodies that must be whole; may be nil
	Version        *int64 // precondition, or nil
	ETag           string // precondition, or ""
	IdempotencyKey string
}

// Request is a write as it goes onto the wire, without credentials: what an
// intent stores and what is repeated byte for byte.
type Request struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	Whole  bool              `json:"whole,omitempty"` // the body replaces the record: whatever it does not carry is lost
}

// Sending is one write of a batch on its way.
type Sending struct {
	Request Request
	Op      WriteOp
}

// Outcome is what became of a sent write.
type Outcome string

// The outcomes, per record and per field.
const (
	Applied       Outcome = "applied"
	AppliedPartly Outcome = "applied_partly"
	NotKept       Outcome = "not_kept"
	AlreadyTrue   Outcome = "already_true"
	Stale         Outcome = "stale"
	Rejected      Outcome = "rejected"
	Refused       Outcome = "refused"
	InDoubt       Outcome = "in_doubt"
	HeldBack      Outcome = "held"
	Superseded    Outcome = "superseded"
	Retryable     Outcome = "retryable" // nothing happened; the same request may be sent again
)

// Answer is what a system said to a write.
type Answer struct {
	Outcome    Outcome
	Status     int           // HTTP status, or 0
	ID         string        // the record's ID where the answer names it
	Record     *Batch        // the record as answered (one row), or nil
	RetryAfter time.Duration // with Retryable: not before
	Digest     string        // sha256 of the answer's body, hex
	Evidence   string        // short reason for people: status line, error code
	At         time.Time     // when the request began
}
