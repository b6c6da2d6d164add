// Package connectortest is what every connector must do, written once: a new
// connector brings a Fixture and runs the suite. It must never reach into a
// connector, or skip what one cannot do: what a system offers is declared, and
// the suite asks for exactly that.
package connectortest

import (
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
)

// Record is a record of the suite's stream as the system holds it. The system
// gives it its ID and moves UpdatedAt with every change.
type Record struct {
	ID        string
	Code      string
	Note      *string // nil: null
	Cents     int64
	UpdatedAt time.Time // set by the system, UTC, whole microseconds
}

// Fields declares the suite's stream. A fixture may add path and format, but not
// change names and types. The primary key is id, the cursor and the version
// updated_at, the entity's key code.
func Fields() []schemas.Field {
	field := func(name string, k schemas.Kind) schemas.Field {
		return schemas.Field{Name: name, Type: schemas.Type{Kind: k}}
	}
	return []schemas.Field{
		field("id", schemas.String), field("code", schemas.String), field("note", schemas.String),
		field("cents", schemas.Int64), field("updated_at", schemas.Timestamp),
	}
}

// Failure is something that goes wrong outside.
type Failure string

// The failures. A fixture lists those that its System can cause.
const (
	Unavailable Failure = "unavailable" // the next request is refused and has no effect
	AnswerLost  Failure = "answer lost" // the next request takes effect, its answer never comes
	Truncated   Failure = "truncated"   // the next answer breaks off
	Garbage     Failure = "garbage"     // the next answer is something else than the API's
	Throttled   Failure = "throttled"   // the next request is refused for its rate
)

// System is the outside, under the suite's control. Insert, Update and Delete
// are edits of other people: they never fail and count as no effect.
type System interface {
	Insert(code string, note *string, cents int64) (id string)
	Update(id string, change func(*Record))
	Delete(id string)
	Records() map[string]Record // by ID, as of now
	FailNext(f Failure)
	Effects() int // writes through the Target that took effect so far
}

// Fixture is a fresh, empty system and the connector to it.
type Fixture struct {
	System   System
	Source   Source
	Target   Target
	Failures []Failure // what System can cause

	// Precondition: the Target's updates and deletes are conditioned on what the
	// record was when it was read.
	Precondition bool
	// WholeRecords: an update replaces the record, from what was read of it (PUT).
	WholeRecords bool
	// Creates: the Target offers creates; Deletes: it offers deletes.
	Creates, Deletes bool
	// Batches: the Target is a Batcher. Poison is a value of cents that
	// the system refuses to any record.
	Batches bool
	Poison  string
}

// Run runs the suite. open is called for every test.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	t.Run("Source", func(t *testing.T) { runSource(t, open) })
	t.Run("Target", func(t *testing.T) { runTarget(t, open) })
	t.Run("Batch", func(t *testing.T) { runBatch(t, open) })
}

// test is one test over a fresh fixture.
type test struct {
	name string
	run  func(t *testing.T, f Fixture)
}

func runAll(t *testing.T, open func(t *testing.T) Fixture, tests []test) {
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func (f Fixture) can(failure Failure) bool {
	for _, x := range f.Failures {
		if x == failure {
			return true
		}
	}
	return false
}

// reading is everything that one Read gave.
type reading struct {
	rows    []Row
	batches []pipeline.Batch // without their rows
	upTo    []int            // rows stored when the batch is
	end     pipeline.End
	err     error
}

// Row is an observation as the suite compares it.
type Row struct {
	ID, Code string
	Note     *string
	Cents    string
	Updated  string // canonical: microseconds
	Asked    time.Time
	ETag     string
	Version  *int64
}

func read(t *testing.T, f Fixture, req pipeline.ReadRequest) reading {
	t.Helper()
	var out reading
	if req.Run == "" {
		req.Run = "01RUN"
	}
	req.RunAt = time.Now().UTC()
	out.end, out.err = f.Source.Read(t.Context(), req, func(b pipeline.Batch) error {
		if b.Rows != nil {
			out.rows = append(out.rows, rowsOf(t, b.Rows)...)
			b.Rows.Release()
			b.Rows = nil
		}
		out.batches, out.upTo = append(out.batches, b), append(out.upTo, len(out.rows))
		return nil
	})
	return out
}

// sweep reads everything and demands that it is proven.
func sweep(t *testing.T, f Fixture) reading {
	t.Helper()
	r := read(t, f, pipeline.ReadRequest{Mode: pipeline.Sweep, Partition: partition(t, f)})
	if r.err != nil || !r.end.Proven {
		t.Fatalf("sweep: proven=%v (%s), error %v", r.end.Proven, r.end.Reason, r.err)
	}
	return r
}

func partition(t *testing.T, f Fixture) pipeline.Partition {
	t.Helper()
	parts, err := f.Source.Partitions(t.Context())
	if err != nil || len(parts) != 1 {
		t.Fatalf("the suite's stream has one partition; got %v, %v", parts, err)
	}
	return parts[0]
}

// checkpoint is the last one of a reading.
func (r reading) checkpoint() pipeline.Checkpoint {
	for i := len(r.batches) - 1; i >= 0; i-- {
		if c := r.batches[i].Checkpoint; c != nil {
			return *c
		}
	}
	return pipeline.Checkpoint{}
}

func (r reading) ids() map[string]int {
	out := map[string]int{}
	for _, row := range r.rows {
		out[row.ID]++
	}
	return out
}

func ptr(s string) *string { return &s }
