// Package pipeline is the vocabulary that the stages and the connectors share:
// runs, streams, partitions, checkpoints, batches of observations, writes and
// their outcomes. It holds plain values only. It must never do I/O, read a
// clock, or know a system, a store or DuckDB.
package pipeline

import (
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// RunID names one pass over the stages: a ULID, so that IDs sort by time.
type RunID string

// Mode is how much of a stream is read.
type Mode string

// The modes of a run. Only a sweep reads everything, so only a sweep can show
// that a record is absent.
const (
	Incremental Mode = "incremental"
	Sweep       Mode = "sweep"
)

// StreamID is one entity in one system, the unit of extraction.
type StreamID struct {
	Entity string
	System string
}

// String renders the stream as users write it: "bookings@airbnb".
func (s StreamID) String() string { return s.Entity + "@" + s.System }

// Op says what an observation is.
type Op string

// What an observation can say of a record.
const (
	Upsert Op = "upsert" // the record holds these values
	Delete Op = "delete" // the record is gone: a tombstone, or a proof by ID
	Moved  Op = "moved"  // the ID now lives under another key
	Touch  Op = "touch"  // same values as before, seen again for a reason

	// Missing: a proven sweep did not show it, and no read by ID has proven that
	// it is gone. It makes the key unknown; it deletes nothing.
	Missing Op = "missing"
)

// Columns that every batch of observations carries before its declared fields,
// in this order, and one (ColExtra) after them. A connector fills them; extract
// adds ColKey, ColKHash, ColHash, ColRun and ColEpoch when it stores the rows.
const (
	ColID      = "_id"       // VARCHAR: the system's primary key as text
	ColOp      = "_op"       // VARCHAR: an Op
	ColVersion = "_version"  // BIGINT: updated-at in UTC microseconds, or a version number; null where the stream declares none
	ColETag    = "_etag"     // VARCHAR: as the system gave it, or null
	ColPresent = "_present"  // VARCHAR: a FieldSet of the fields this payload carried
	ColNulls   = "_nulls"    // VARCHAR: a FieldSet of the fields that are null and known to be, in the overlaid row
	ColAskedAt = "_asked_at" // TIMESTAMPTZ: when the request began
	ColExtra   = "_extra"    // VARCHAR: canonical JSON of what nobody declared, or null

	ColKey   = "_key"   // VARCHAR: canonical key text
	ColKHash = "_khash" // BIGINT: xxh3 of ColKey
	ColHash  = "_hash"  // BIGINT: xxh3 of key, ID and the canonical form of fields, states and extra
	ColRun   = "_run"   // VARCHAR: RunID
	ColEpoch = "_epoch" // BIGINT: the tenure that stored the row
)

// FieldSet is a set of field names as text, ",a,b,": sorted, each name between
// commas, so that SQL tests membership with contains(set, ',name,'). The empty
// set is ",".
type FieldSet string

// NewFieldSet makes a set of names that must be sorted and free of commas.
func NewFieldSet(sorted []string) FieldSet {
	if len(sorted) == 0 {
		return ","
	}
	return FieldSet("," + strings.Join(sorted, ",") + ",")
}

// Has reports whether name is in the set.
func (s FieldSet) Has(name string) bool { return strings.Contains(string(s), ","+name+",") }

// Names lists the set in order.
func (s FieldSet) Names() []string {
	t := strings.Trim(string(s), ",")
	if t == "" {
		return nil
	}
	return strings.Split(t, ",")
}

// Partition is a part of a stream that is read on its own, with its own
// checkpoint. A stream without partitions has one, named "".
type Partition struct {
	Name   string            // unique and stable within the stream
	Params map[string]string // what a request needs to address it, by place name
}

// Cursor is where an incremental read stands. Literal is the source's own text
// and is what the next request uses, unless it is empty; Order is the same as a comparable number
// (UTC microseconds, or the integer itself), only ever rounded down.
type Cursor struct {
	Literal string
	Order   int64
	Set     bool // false: nothing read yet
}

// Back moves a cursor that counts microseconds back by us; one that counts
// something else stays, since a time says nothing about it. The literal of a
// cursor that moved is gone: a request formats Order.
func (c *Cursor) Back(us int64, isTime bool) {
	if !isTime || us <= 0 {
		return
	}
	c.Order -= us
	c.Literal = ""
}

// Checkpoint is what is true of a partition after the rows before it are stored.
type Checkpoint struct {
	Cursor Cursor
	LastID string // the last record of a total order (cursor, key); "" where the order is not total
	Page   string // token of the next page within an unfinished pass, opaque to everybody but its connector
	Rows   int64  // rows of this pass so far
}

// DeadLetter is a record that does not fit its declared types. It makes its key
// unknown; it is never dropped.
type DeadLetter struct {
	Partition string
	ID        string // "" where not even the ID could be read
	Field     string // the field that refused, or ""
	Reason    string
	Payload   string // the record as received, bounded by the connector
	AskedAt   time.Time
}

// Batch is some observations of one stream and what is true once they are
// stored. Rows has the columns above ColKey and the declared fields; it may be
// nil. The receiver releases Rows.
type Batch struct {
	Rows       arrow.RecordBatch
	Dead       []DeadLetter
	Checkpoint *Checkpoint // nil: no point to resume from lies at the end of this batch
}

// End is how the read of a partition ended. Proven only if the source gave a
// reason why there is nothing more; an unproven partition deletes nothing.
type End struct {
	Proven bool
	Reason string // "no next token", "total 420 reached", or why it is not proven
}

// ReadRequest asks a source for one partition.
type ReadRequest struct {
	Run       RunID
	RunAt     time.Time // the run's pinned clock
	Mode      Mode
	Partition Partition
	From      Checkpoint // where the last stored pass ended, or where an unfinished one stands (Page set)
	Since     Cursor     // lower bound of an incremental read, lookback already taken off; unset reads all
}

// FetchResult is what reading records by ID gave. An ID is in exactly one of
// Batch (live), Gone (the system answered that it does not exist) or Failed.
type FetchResult struct {
	Batch  Batch
	Gone   []string
	Failed map[string]error
}
