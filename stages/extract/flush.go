package extract

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/zeebo/xxh3"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/replica"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// flush stores what was received and moves the checkpoint, in one commit. end
// says how the partition ended, nil while it goes on.
func (r *reader) flush(ctx context.Context, end *PartitionResult) error {
	folded, err := r.fold(ctx)
	if err != nil {
		return err
	}
	if folded.Rows != nil {
		defer folded.Rows.Release()
	}
	if len(folded.Dead) > 0 && end != nil && end.Proven {
		r.Log.Debug("records without a readable key", "stream", r.stream.ID.String(), "count", len(folded.Dead))
	}
	files := map[string][]lake.File{}
	if err := r.write(ctx, files, folded, end); err != nil {
		return err
	}
	// A commit without an answer ends the committer, so a signal waits for it.
	head, err := r.committer.Commit(context.WithoutCancel(ctx), lake.Step{Stage: "extract", Add: files, Check: r.unmoved()})
	if err != nil {
		return fmt.Errorf("commit %s: %w", r.where(), err)
	}
	r.head, r.since = head, r.Now()
	r.flushes++
	r.drop()
	if r.req.Progress != nil {
		r.req.Progress(r.counts)
	}
	return nil
}

// fold lays what was received over the replica as of our last commit.
func (r *reader) fold(ctx context.Context) (replica.Folded, error) {
	head := r.head
	if head == nil {
		var err error
		if head, err = r.Lake.Head(ctx); err != nil {
			return replica.Folded{}, err
		}
		r.head = head
	}
	if len(r.batches) == 0 && len(r.dead) == 0 {
		return replica.Folded{}, nil
	}
	session, err := r.Engine.Session(ctx, head)
	if err != nil {
		return replica.Folded{}, err
	}
	defer session.Close()
	var named []string
	for _, d := range r.dead {
		if d.ID != "" {
			named = append(named, d.ID)
		}
	}
	known := replica.Context{Doubted: r.doubted, Letters: r.letters, Cursor: r.mark.checkpoint.Cursor.Order, Floor: r.floor}
	folded, err := r.stream.Fold(ctx, session, known, r.batches, named, r.req.Run, r.Tenure.Epoch())
	if err != nil {
		return folded, fmt.Errorf("fold %s: %w", r.where(), err)
	}
	r.counts.Add(folded.Counts)
	r.counts.Dead += int64(len(r.dead))
	r.mark.lateness, r.late = max(r.mark.lateness, folded.Late), max(r.late, folded.Late)
	r.fields.Add(folded.Fields)
	return folded, nil
}

// write makes the files of a commit.
func (r *reader) write(ctx context.Context, files map[string][]lake.File, folded replica.Folded, end *PartitionResult) error {
	id := r.stream.ID
	if folded.Rows != nil {
		if err := store(ctx, r.Deps, files, r.stream.Table, folded.Rows, ""); err != nil {
			return err
		}
	}
	dead := append(r.dead, folded.Dead...)
	if r.mode == pipeline.Sweep {
		if rows := r.seenRows(folded, dead); rows.NumRows() > 0 {
			defer rows.Release()
			if err := store(ctx, r.Deps, files, tables.SweepSeen(id), rows, string(r.sweep.id)); err != nil {
				return err
			}
		}
	}
	if rows := r.letterRows(dead, folded); rows.NumRows() > 0 {
		defer rows.Release()
		if err := store(ctx, r.Deps, files, tables.DeadLetters(), rows, ""); err != nil {
			return err
		}
	}
	rows := r.markRows(end)
	defer rows.Release()
	return store(ctx, r.Deps, files, tables.Checkpoints(), rows, r.tag())
}

// store writes rows into new files of a table.
func store(ctx context.Context, d Deps, files map[string][]lake.File, t tables.Table, rows arrow.RecordBatch, tag string) error {
	w := d.Writer(t)
	if err := w.Write(rows); err != nil {
		w.Abort()
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	made, err := w.Close(ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", t.Name, err)
	}
	for i := range made {
		made[i].Tag = tag
	}
	files[t.Name] = append(files[t.Name], made...)
	return nil
}

// tag marks the files that move this partition's checkpoint.
func (r *reader) tag() string { return r.stream.ID.String() + "/" + r.part.Name }

// unmoved is the condition of our commit: nobody else moved this partition's
// checkpoint since we read it. A compacted file hides whose it was, so it counts
// as a move.
func (r *reader) unmoved() func(context.Context, *lake.Snapshot) error {
	read, tag := r.head.Commit().Seq, r.tag()
	return func(ctx context.Context, head *lake.Snapshot) error {
		files, err := head.Files(ctx, tables.Checkpoints().Name)
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.Seq > read && (f.Tag == tag || f.Tag == "") {
				return fmt.Errorf("%w: the checkpoint of %s", lake.ErrMoved, r.where())
			}
		}
		return nil
	}
}

// seenRows is the narrow list of what a sweep showed, dead letters with a known
// key included: they are there, whatever they say.
func (r *reader) seenRows(folded replica.Folded, dead []pipeline.DeadLetter) arrow.RecordBatch {
	b := delta.NewRows(tables.SweepSeen(r.stream.ID))
	add := func(key, id string) {
		b.Number(schemas.HashKey(key)).Text(key).Text(id).Text(r.part.Name).Text(string(r.sweep.id))
	}
	done := map[replica.Record]bool{}
	for _, s := range folded.Seen {
		if !done[s] {
			done[s] = true
			add(s.Key, s.ID)
		}
	}
	for _, d := range dead {
		if key, ok := folded.Keys[d.ID]; ok && d.ID != "" {
			add(key, d.ID)
		}
	}
	return b.Batch()
}

// letterRows are new dead letters, and those that a fitting record closes.
func (r *reader) letterRows(dead []pipeline.DeadLetter, folded replica.Folded) arrow.RecordBatch {
	b := delta.NewRows(tables.DeadLetters())
	id := r.stream.ID
	for _, d := range dead {
		name := d.ID
		if name == "" {
			name = "payload:" + strconv.FormatUint(xxh3.HashString(d.Payload), 16)
		}
		b.Text(id.Entity).Text(id.System).Text(name).Text(r.part.Name).Optional(d.ID).Optional(folded.Keys[d.ID]).
			Optional(d.Field).Text(d.Reason).Text(d.Payload).Flag(true).Text(string(r.req.Run)).Time(d.AskedAt)
	}
	for _, fit := range folded.Fitting {
		b.Text(id.Entity).Text(id.System).Text(fit).Text(r.part.Name).Text(fit).Optional(folded.Keys[fit]).
			Null().Text("fits now").Null().Flag(false).Text(string(r.req.Run)).Time(r.Now())
	}
	return b.Batch()
}

// markRows is the checkpoint after this commit. The cursor never goes back, and
// an empty one never replaces one that is set.
func (r *reader) markRows(end *PartitionResult) arrow.RecordBatch {
	c := r.mark.checkpoint
	if r.next != nil {
		c.Page, c.LastID, c.Rows = r.next.Page, r.next.LastID, r.next.Rows
		if r.next.Cursor.Set && (!c.Cursor.Set || r.next.Cursor.Order >= c.Cursor.Order) {
			c.Cursor = r.next.Cursor
		}
	}
	if end != nil {
		c.Page = ""
	}
	r.mark.checkpoint = c
	state, reason, proven := "running", "", false
	if end != nil {
		state, reason, proven = endState(end), end.Reason, end.Proven
	}
	id := r.stream.ID
	b := delta.NewRows(tables.Checkpoints())
	b.Text(tables.CheckpointCursor).Text(id.Entity).Text(id.System).Text(r.part.Name)
	if c.Cursor.Set {
		b.Text(c.Cursor.Literal).Number(c.Cursor.Order)
	} else {
		b.Null().Null()
	}
	b.Optional(c.LastID).Optional(c.Page).Text(string(r.mode)).Text(state).Flag(proven).Optional(reason).
		Number(r.total).Number(r.mark.lateness).Optional(r.req.Fingerprint).Null().Text(string(r.req.Run)).Time(r.Now())
	r.sweepMark(b, end)
	return b.Batch()
}

// endState is how a partition ended, as checkpoints say it.
func endState(end *PartitionResult) string {
	if end.Err != nil {
		return "failed"
	}
	return "done"
}
