package extract

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/schemas"
)

// reader reads one partition and commits what it gave, every so many records,
// bytes or seconds, together with the checkpoint that is true after them. It is
// not safe for concurrent use: a partition has one reader.
type reader struct {
	*pass
	part      pipeline.Partition
	mode      pipeline.Mode // of this partition
	alone     bool          // the stream has no other partition
	flushes   int           // commits so far
	committer *lake.Committer
	head      *lake.Snapshot // of our last commit; nil before the first

	mark     mark // last committed
	next     *pipeline.Checkpoint
	batches  []arrow.RecordBatch
	dead     []pipeline.DeadLetter
	records  int
	bytes    int64
	since    time.Time // of the last commit
	total    int64
	unproven string // why this partition cannot be proven, whatever its end says
	counts   replica.Counts
	fields   *replica.FieldFigures
	floor    int64 // of the cursor: below it an incremental read does not ask again
	late     int64 // greatest lateness of this pass, in the cursor's unit
}

// newReader makes the reader of a partition. One that this sweep has read already,
// in a run that died, is caught up from its cursor.
func (p *pass) newReader(part pipeline.Partition, alone bool) *reader {
	mode := p.mode
	if _, done := p.sweep.done[part.Name]; done {
		mode = pipeline.Incremental
	}
	name := "extract/" + p.stream.ID.String()
	if part.Name != "" {
		name += "/" + part.Name
	}
	r := &reader{pass: p, part: part, mode: mode, alone: alone, committer: p.Tenure.Committer(name), mark: p.marks.partitions[part.Name], since: p.Now(),
		fields: replica.NewFieldFigures()}
	if r.mark.checkpoint.Page != "" && mode == pipeline.Sweep {
		r.unproven = p.sweep.unproven[part.Name] // of the pages before
	}
	r.floor = r.lookedBack().Order
	return r
}

// run reads the partition to its end. Errors of the source are in the result.
func (r *reader) run(ctx context.Context) (PartitionResult, error) {
	result := PartitionResult{Name: r.part.Name}
	defer r.drop()
	end, err := r.req.Source.Read(ctx, r.request(), func(b pipeline.Batch) error { return r.take(ctx, b) })
	var own *storeError
	switch {
	case errors.As(err, &own):
		return result, own.err
	case ctx.Err() != nil:
		return result, ctx.Err()
	case err != nil:
		result.Err = fmt.Errorf("read %s: %w", r.where(), err)
		result.Reason = err.Error()
		end = pipeline.End{Reason: err.Error()}
	case r.unproven != "":
		end.Proven, end.Reason = false, r.unproven
	}
	result.Proven, result.Rows = end.Proven && err == nil, r.total
	if result.Reason == "" {
		result.Reason = end.Reason
	}
	return result, r.finish(ctx, result)
}

func (r *reader) where() string {
	if r.part.Name == "" {
		return r.stream.ID.String()
	}
	return r.stream.ID.String() + " partition " + r.part.Name
}

// request says where to read from: an incremental read goes back by the
// lookback, which widens to twice the lateness that was seen.
func (r *reader) request() pipeline.ReadRequest {
	req := pipeline.ReadRequest{Run: r.req.Run, RunAt: r.req.RunAt, Mode: r.mode, Partition: r.part, From: r.mark.checkpoint}
	if r.mode == pipeline.Sweep {
		req.Run = r.sweep.id // a source goes on with pages of the same sweep
	}
	if r.mode != pipeline.Incremental || !r.mark.checkpoint.Cursor.Set {
		return req
	}
	req.Since = r.lookedBack()
	return req
}

// lookedBack is the cursor less the lookback.
func (r *reader) lookedBack() pipeline.Cursor {
	c := r.mark.checkpoint.Cursor
	if i := r.req.Stream.Extract.Incremental; i != nil && c.Set {
		c.Back(max(i.Lookback.Microseconds(), 2*r.mark.lateness), cursorIsTime(r.req.Stream))
	}
	return c
}

// storeError carries an error of our own storage through a source's Read.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// take receives a batch, and commits when a bound is reached.
func (r *reader) take(ctx context.Context, b pipeline.Batch) error {
	if b.Rows != nil {
		r.batches = append(r.batches, b.Rows)
		r.records += int(b.Rows.NumRows())
		r.total += b.Rows.NumRows()
		r.bytes += batchBytes(b.Rows)
	}
	for _, d := range b.Dead {
		if d.ID == "" {
			r.unproven = "a record that could not be read carries no ID: " + d.Reason
		}
	}
	r.dead = append(r.dead, b.Dead...)
	if b.Checkpoint != nil {
		r.next = b.Checkpoint
	}
	every := r.req.Every
	full := r.records >= every.Records || r.bytes >= every.Bytes || r.Now().Sub(r.since) >= every.Every
	if !full {
		return nil
	}
	if err := r.flush(ctx, nil); err != nil {
		return &storeError{err}
	}
	return nil
}

func batchBytes(b arrow.RecordBatch) int64 {
	var n int64
	for _, c := range b.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}

// finish commits the rest and how the partition ended.
func (r *reader) finish(ctx context.Context, result PartitionResult) error {
	return r.flush(ctx, &result)
}

// drop releases batches that were not stored.
func (r *reader) drop() {
	for _, b := range r.batches {
		b.Release()
	}
	r.batches, r.dead, r.records, r.bytes = nil, nil, 0, 0
}

// cursorIsTime reports whether a stream's cursor counts microseconds.
func cursorIsTime(s config.Stream) bool {
	if s.Extract.Incremental == nil {
		return false
	}
	for _, f := range s.Extract.Fields {
		if f.Name == s.Extract.Incremental.CursorField {
			return f.Type.Kind == schemas.Timestamp || f.Type.Kind == schemas.Date
		}
	}
	return false
}
