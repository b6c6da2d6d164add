package lake

import (
	"context"
	"slices"
)

// Compaction bounds a table's number of files.
type Compaction struct {
	Table  string
	Inputs []File // in the order of their places: a run without gaps

	// Fold: the outputs are the newest row per key as Folded files and every
	// other row as History files. Otherwise the rows are only laid together, in
	// their order.
	Fold bool
}

// CompactionPolicy says when a table is compacted.
type CompactionPolicy struct {
	MaxDeltas   int   // more delta files than this are compacted; 0 means 32
	TargetBytes int64 // files of a table without a key are laid together up to this size; 0 means 128 MiB
}

// PlanCompaction decides what of a table to compact; not ok: nothing. files are
// the live files in the order of their places. keyed: rows of one key fold into
// one. watermark is the lowest seq up to which every reader of the table has
// taken it in (the highest uint64 where nobody reads by watermark): files beyond
// it stay as they are, so that no reader misses a row that a fold would hide or
// sees one again under a later place.
func PlanCompaction(table string, files []File, keyed bool, watermark uint64, p CompactionPolicy) (Compaction, bool) {
	limit := positive(p.MaxDeltas, 32)
	var settled []File
	for _, f := range files {
		if f.Seq > watermark {
			break
		}
		if f.Kind != History {
			settled = append(settled, f)
		}
	}
	if keyed {
		return planFold(table, settled, limit)
	}
	target := p.TargetBytes
	if target <= 0 {
		target = 128 << 20
	}
	return planJoin(table, settled, limit, target)
}

// planFold folds everything settled once there are too many deltas.
func planFold(table string, settled []File, limit int) (Compaction, bool) {
	deltas := 0
	for _, f := range settled {
		if f.Kind == Delta {
			deltas++
		}
	}
	if deltas <= limit {
		return Compaction{}, false
	}
	return Compaction{Table: table, Inputs: settled, Fold: true}, true
}

// planJoin takes the longest run of files that fit into one of the target size,
// once there are too many that are smaller than half of it. Large files are left
// alone, so that a growing table is not written again and again.
func planJoin(table string, settled []File, limit int, target int64) (Compaction, bool) {
	small := 0
	for _, f := range settled {
		if f.SizeBytes < target/2 {
			small++
		}
	}
	if small <= limit {
		return Compaction{}, false
	}
	var best []File
	for from := range settled {
		size, to := int64(0), from
		for to < len(settled) && size+settled[to].SizeBytes <= target {
			size += settled[to].SizeBytes
			to++
		}
		if to-from > len(best) {
			best = settled[from:to]
		}
	}
	if len(best) < 2 {
		return Compaction{}, false
	}
	return Compaction{Table: table, Inputs: slices.Clone(best)}, true
}

// Compact commits a compaction under the epoch of the head, whoever that is.
// write makes the outputs, with keys of the epoch that it is given. ErrMoved: an
// input is not live any more; nothing is lost, plan again.
func (l *Lake) Compact(ctx context.Context, c Compaction, write func(ctx context.Context, epoch uint64) ([]File, error)) (*Snapshot, error) {
	head, err := l.Head(ctx)
	if err != nil {
		return nil, err
	}
	outputs, err := write(ctx, head.commit.Epoch)
	if err != nil {
		return nil, err
	}
	step := Step{Stage: "compact", Rewrite: []Rewrite{{Table: c.Table, Inputs: keysOf(c.Inputs), Outputs: outputs}}}
	if err := step.valid(); err != nil {
		return nil, err
	}
	id := l.o.NewID()
	p := &part{
		step:  step,
		in:    func(ctx context.Context, head *Snapshot) (bool, error) { return head.has(ctx, c.Table, outputs) },
		stamp: func(commit *Commit) { commit.Decision = id },
	}
	l.land(ctx, head, []*part{p})
	return p.landed, p.err
}

// has reports whether the first of files is live. One that was written again
// under a newer epoch, or compacted further, is not found: its inputs are not
// live either, so that it is never put twice.
func (s *Snapshot) has(ctx context.Context, table string, files []File) (bool, error) {
	if len(files) == 0 {
		return false, nil
	}
	live, err := s.files(ctx, table)
	return slices.ContainsFunc(live, func(f File) bool { return f.Key == files[0].Key }), err
}

func keysOf(files []File) []string {
	keys := make([]string, len(files))
	for i, f := range files {
		keys[i] = f.Key
	}
	return keys
}
