package run

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/sql"
)

// Compacted is what a compaction did.
type Compacted struct {
	Tables  int `json:"tables"` // that were folded
	Inputs  int `json:"files_before"`
	Outputs int `json:"files_after"`
}

// Compact folds what has collected too many small files. It changes no row, and
// does not cross the lowest seq up to which every reader has taken a table in.
func (j Job) Compact(ctx context.Context, policy lake.CompactionPolicy) (Compacted, error) {
	var out Compacted
	marks, err := j.watermarks(ctx)
	if err != nil {
		return out, err
	}
	for _, t := range Tables(j.Project) {
		in, made, err := j.Engine.Compact(ctx, j.Lake, t, marks.of(t), policy, func(t tables.Table, epoch uint64) duck.Writer { return j.WriterAt(t, epoch) })
		if errors.Is(err, lake.ErrMoved) {
			continue // somebody else was faster; nothing is lost
		}
		if err != nil {
			return out, fmt.Errorf("compact %s: %w", t.Name, err)
		}
		if in > 0 {
			out.Tables++
			out.Inputs += in
			out.Outputs += made
		}
	}
	return out, nil
}

// tidy keeps the number of live files bounded after a run. What fails is tried
// again after the next one: nothing depends on it but speed.
func (r *runner) tidy(ctx context.Context) {
	done, err := r.Compact(ctx, lake.CompactionPolicy{})
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("files could not be compacted; nothing is lost, the next run tries again", "error", err)
	}
	if done.Tables > 0 {
		r.Log.Info("files were compacted", "tables", done.Tables, "before", done.Inputs, "after", done.Outputs)
	}
}

// watermarks is, per entity, the lowest seq that reconcile still reads from.
type watermarks map[string]uint64

func (j Job) watermarks(ctx context.Context) (watermarks, error) {
	head, err := j.Lake.Head(ctx)
	if err != nil {
		return nil, err
	}
	session, err := j.Engine.Session(ctx, head)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if err := session.Current(ctx, tables.Checkpoints(), "checkpoints"); err != nil {
		return nil, err
	}
	statement, err := queries.Text("run/watermark.sql")
	if err != nil {
		return nil, err
	}
	out := watermarks{}
	for _, e := range j.Project.Entities {
		rows, err := session.Query(ctx, statement, e.Name)
		if err != nil {
			return nil, err
		}
		var seq uint64
		for rows.Next() {
			err = errors.Join(err, rows.Scan(&seq))
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return nil, fmt.Errorf("watermark of %s: %w", e.Name, err)
		}
		out[e.Name] = seq
	}
	return out, nil
}

// of is how far a table may be folded. Tables that nobody reads by watermark may
// be folded whole.
func (w watermarks) of(t tables.Table) uint64 {
	if entity := t.Entity(); entity != "" {
		return w[entity]
	}
	if t.Name != tables.Journal().Name {
		return math.MaxUint64
	}
	lowest := uint64(math.MaxUint64)
	for _, seq := range w {
		lowest = min(lowest, seq)
	}
	return lowest
}
