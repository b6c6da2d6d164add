package extract

import (
	"fmt"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/replica"
)

// State is how a stream's pass ended: as well as its worst partition.
type State string

// The states of a pass.
const (
	Complete State = "complete" // every partition ended with a reason
	Partial  State = "partial"  // some partitions did not, or end unproven
	Failed   State = "failed"   // nothing could be read
	Empty    State = "empty"    // a sweep showed nothing where the replica holds records; it proves nothing
)

// PartitionResult is how one partition ended.
type PartitionResult struct {
	Name   string
	Proven bool
	Reason string // why there is nothing more, or why that is not proven
	Err    error  // what stopped it, or nil
	Rows   int64
}

// Result is what a pass over a stream did. Err is set if State is not Complete
// and says the first reason.
type Result struct {
	Stream     pipeline.StreamID
	Mode       pipeline.Mode // what was done: a stream without a cursor is always swept
	State      State
	Baseline   bool // the scope changed: this sweep is a new baseline and deleted nothing
	Resumed    int  // partitions that an earlier run had read for this sweep before it died
	Partitions []PartitionResult
	Counts     replica.Counts
	Missing    int64 // records that this sweep did not show and nobody could prove gone, however long
	Fields     *replica.FieldFigures
	Lateness   time.Duration  // greatest of this pass: how far below the cursor something new was; 0 where the cursor is no time
	Lag        *time.Duration // from the newest cursor to the end of the pass; nil where the cursor is no time
	Took       time.Duration
	Err        error
}

// judge derives the state of the stream from its partitions.
func (r *Result) judge() {
	good := 0
	for _, p := range r.Partitions {
		switch {
		case p.Err != nil:
			r.note(p.Err)
		case !p.Proven:
			r.note(fmt.Errorf("partition %q of %s is not proven complete: %s", p.Name, r.Stream, p.Reason))
		default:
			good++
		}
	}
	switch {
	case r.Err == nil && good == len(r.Partitions):
		r.State = Complete
	case good == 0 && r.Counts.Read == 0:
		r.State = Failed
	default:
		r.State = Partial
	}
}

// take adds what one partition's reader counted.
func (r *Result) take(from *reader, now time.Time) {
	r.Counts.Add(from.counts)
	r.Fields.Add(from.fields)
	cursor := from.mark.checkpoint.Cursor
	if !cursorIsTime(from.req.Stream) || !cursor.Set {
		return
	}
	r.Lateness = max(r.Lateness, time.Duration(from.late)*time.Microsecond)
	lag := max(0, now.Sub(time.UnixMicro(cursor.Order)))
	if r.Lag == nil || lag < *r.Lag {
		r.Lag = &lag
	}
}

func (r *Result) note(err error) {
	if r.Err == nil {
		r.Err = err
	}
}
