package extract

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// sweepLasts bounds how long after its beginning a sweep that died is gone on
// with: what it saw first must not be older than a night's sweep would be.
const sweepLasts = 24 * time.Hour

// sweep is one full reading of a stream: of one run, or of several where a
// process died under it. Its list of what was seen is one, under the run that
// began it, and so are the proofs that follow from the list.
type sweep struct {
	id          pipeline.RunID // the run that began it
	began       time.Time
	partitions  string                     // digest of the list of partitions that it began with
	fingerprint string                     // of the scope it reads
	done        map[string]PartitionResult // proven partitions
	unproven    map[string]string          // why what a partition showed so far can prove nothing
}

// take adds a stored mark of a sweep. Marks of older sweeps than the newest tell
// nothing any more.
func (s *sweep) take(r markRow) {
	id := pipeline.RunID(r.last.String)
	if id < s.id {
		return
	}
	if id > s.id {
		*s = sweep{id: id, began: time.UnixMicro(r.order.Int64).UTC(), partitions: r.page.String, fingerprint: r.fingerprint.String,
			done: map[string]PartitionResult{}, unproven: map[string]string{}}
	}
	switch {
	case r.state.String == "done" && r.proven:
		s.done[r.partition] = PartitionResult{Name: r.partition, Proven: true, Reason: r.reason, Rows: r.rows}
	case r.state.String == "running":
		s.unproven[r.partition] = r.reason
	}
}

// beginSweep goes on with the sweep that died, or begins one. It goes on only
// where both read the same: the same scope, in the same list of partitions, soon
// enough after.
func (p *pass) beginSweep(list []pipeline.Partition) {
	if p.mode != pipeline.Sweep {
		return
	}
	fresh := sweep{id: p.req.Run, began: p.began, partitions: digestOf(list), fingerprint: p.req.Fingerprint}
	old := p.marks.sweep
	same := old.partitions == fresh.partitions && old.fingerprint == fresh.fingerprint
	open := old.id != "" && old.id != p.marks.swept
	if !open || !same || p.began.Sub(old.began) >= sweepLasts {
		p.sweep = fresh
		return
	}
	p.sweep = old
	if !p.comparedBeforeWrites() {
		p.sweep.done = nil
	}
	p.result.Resumed = len(p.sweep.done)
	p.Log.Info("a sweep that did not end goes on", "stream", p.stream.ID.String(), "began", old.began, "partitions", len(list), "done", p.result.Resumed)
}

// comparedBeforeWrites reports whether what an earlier run read of this sweep may
// stand for a read of this run: a partition is caught up by its cursor, or every
// write is compared with the record anyway.
func (p *pass) comparedBeforeWrites() bool {
	w := p.req.Stream.Write
	return p.req.Stream.Extract.Incremental != nil || w == nil || w.Precondition || w.Verify != "none"
}

// digestOf is a digest of a list of partitions, in any order.
func digestOf(list []pipeline.Partition) string {
	names := make([]string, len(list))
	for i, part := range list {
		names[i] = strconv.Quote(part.Name)
		for _, k := range slices.Sorted(maps.Keys(part.Params)) {
			names[i] += strconv.Quote(k) + strconv.Quote(part.Params[k])
		}
	}
	slices.Sort(names)
	sum := xxh3.HashString128(fmt.Sprint(names)).Bytes()
	return fmt.Sprintf("%x", sum)
}

// sweepMark adds how far this sweep came in the reader's partition. A partition
// that ends in its first commit, and is the only one, leaves nothing to go on with.
func (r *reader) sweepMark(b *delta.Rows, end *PartitionResult) {
	if r.mode != pipeline.Sweep || end != nil && r.flushes == 0 && r.alone {
		return
	}
	state, reason, proven := "running", r.unproven, false
	if end != nil {
		state, reason, proven = endState(end), end.Reason, end.Proven
	}
	id, s := r.stream.ID, r.sweep
	b.Text(tables.CheckpointSweep).Text(id.Entity).Text(id.System).Text(r.part.Name).Null().Number(s.began.UnixMicro()).
		Text(string(s.id)).Text(s.partitions).Text(string(pipeline.Sweep)).Text(state).Flag(proven).Optional(reason).
		Number(r.total).Null().Optional(s.fingerprint).Null().Text(string(r.req.Run)).Time(r.Now())
	r.marked.Store(true)
}

// endSweep says that this sweep is over, however it ended: the next one begins
// anew. A sweep that left no marks needs no such word.
func (p *pass) endSweep(ctx context.Context) error {
	if !p.marked.Load() && p.sweep.id == p.req.Run {
		return nil
	}
	id := p.stream.ID
	b := delta.NewRows(tables.Checkpoints())
	b.Text(tables.CheckpointSwept).Text(id.Entity).Text(id.System).Text("").Null().Null().Text(string(p.sweep.id)).Null().
		Text(string(pipeline.Sweep)).Text(string(p.result.State)).Flag(p.result.State == Complete).Null().Null().Null().
		Optional(p.sweep.fingerprint).Null().Text(string(p.req.Run)).Time(p.Now())
	rows := b.Batch()
	defer rows.Release()
	files := map[string][]lake.File{}
	if err := store(ctx, p.Deps, files, tables.Checkpoints(), rows, id.String()+"/swept"); err != nil {
		return err
	}
	_, err := p.Tenure.Committer("extract/"+id.String()+"/swept").Commit(ctx, lake.Step{Stage: "extract", Add: files})
	return err
}
