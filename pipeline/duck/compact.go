//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Writer makes files of rows that come in the order of files. Close gives the
// files that hold them all; after Abort nothing of them counts. A *delta.Writer
// is one.
type Writer interface {
	Sink
	Close(ctx context.Context) ([]lake.File, error)
	Abort()
}

// NewWriter begins files of a table under an epoch.
type NewWriter func(t tables.Table, epoch uint64) Writer

// Log is the lake as a compaction needs it: a *lake.Lake.
type Log interface {
	Head(ctx context.Context) (*lake.Snapshot, error)
	Compact(ctx context.Context, c lake.Compaction, write func(ctx context.Context, epoch uint64) ([]lake.File, error)) (*lake.Snapshot, error)
}

// Compact folds or lays together the files of a table where the policy says so,
// and commits that. No row that counts changes, and none is lost: rows that a
// fold replaces go to history files. watermark is the lowest seq up to which the
// readers of the table took it in. It returns how many files became how many;
// 0 and 0 when there is nothing to do. lake.ErrMoved: plan again.
func (e *Engine) Compact(ctx context.Context, log Log, t tables.Table, watermark uint64, policy lake.CompactionPolicy, files NewWriter) (inputs, outputs int, err error) {
	head, err := log.Head(ctx)
	if err != nil {
		return 0, 0, err
	}
	live, err := head.Files(ctx, t.Name)
	if err != nil {
		return 0, 0, err
	}
	plan, due := lake.PlanCompaction(t.Name, live, t.Fold != tables.Append, watermark, policy)
	if !due {
		return 0, 0, nil
	}
	var made []lake.File
	_, err = log.Compact(ctx, plan, func(ctx context.Context, epoch uint64) ([]lake.File, error) {
		made, err = e.Fold(ctx, t, plan, epoch, files)
		return made, err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("compact %s: %w", t.Name, err)
	}
	return len(plan.Inputs), len(made), nil
}

// Fold makes the files of a compaction without committing them: history files
// first, then those of the rows that count. It checks that every row of the
// inputs is in one of them.
func (e *Engine) Fold(ctx context.Context, t tables.Table, plan lake.Compaction, epoch uint64, files NewWriter) ([]lake.File, error) {
	session, err := e.Session(ctx, inputsOf(plan))
	if err != nil {
		return nil, err
	}
	f := &folding{session: session, table: t, kept: files(t, epoch), replaced: files(t, epoch)}
	made, err := f.run(ctx, plan)
	if err != nil {
		f.kept.Abort()
		f.replaced.Abort()
	}
	return made, errors.Join(err, session.Close())
}

// inputsOf is a state of the lake in which a table has the inputs and no more.
type inputsOf lake.Compaction

// Files gives the inputs.
func (i inputsOf) Files(context.Context, string) ([]lake.File, error) { return i.Inputs, nil }

type folding struct {
	session        *Session
	table          tables.Table
	kept, replaced Writer
	rows           int64
}

func (f *folding) run(ctx context.Context, plan lake.Compaction) ([]lake.File, error) {
	step := f.join
	if plan.Fold {
		step = f.fold
	}
	for _, span := range f.spans(plan.Inputs) {
		if err := step(ctx, span...); err != nil {
			return nil, err
		}
	}
	var want int64
	for _, in := range plan.Inputs {
		want += in.Rows
	}
	if f.rows != want {
		return nil, fault.New(fault.Permanent, "fold "+f.table.Name, fmt.Errorf("the inputs have %d rows, %d were read", want, f.rows)).
			WithNote("nothing was changed").WithHelp("trueup doctor")
	}
	return f.close(ctx, plan.Fold)
}

// foldBytes is about how much of the inputs is folded at a time.
const foldBytes = 64 << 20

// spans cuts the inputs into ranges of about foldBytes.
func (f *folding) spans(inputs []lake.File) [][]Option {
	if !slices.Contains(f.table.ColumnNames(), pipeline.ColKHash) {
		return [][]Option{nil}
	}
	var bytes int64
	for _, in := range inputs {
		bytes += in.SizeBytes
	}
	var out [][]Option
	for _, s := range Spans(int(bytes/foldBytes) + 1) {
		out = append(out, []Option{Range(s.Lowest, s.Highest)})
	}
	return out
}

// fold keeps the rows of a range that count, and moves the others.
func (f *folding) fold(ctx context.Context, span ...Option) error {
	if err := f.session.Rows(ctx, f.table, "_inputs", span...); err != nil {
		return err
	}
	if err := f.session.kept(ctx, f.table, "_kept", span...); err != nil {
		return err
	}
	if err := f.session.run(ctx, "duck/winners.sql", nil); err != nil {
		return err
	}
	if err := f.copy(ctx, "duck/kept.sql", f.kept); err != nil {
		return err
	}
	return f.copy(ctx, "duck/replaced.sql", f.replaced)
}

// kept is Current with the places of the rows.
func (s *Session) kept(ctx context.Context, t tables.Table, view string, span ...Option) error {
	r, files, err := s.open(ctx, t, span)
	if err != nil {
		return err
	}
	statement, p := r.current(files)
	p["view"] = Quote(view)
	p["columns"] += placeColumns
	return s.run(ctx, statement, p)
}

// join takes all rows of a range.
func (f *folding) join(ctx context.Context, span ...Option) error {
	if err := f.session.Rows(ctx, f.table, "_inputs", span...); err != nil {
		return err
	}
	return f.copy(ctx, "duck/joined.sql", f.kept)
}

func (f *folding) copy(ctx context.Context, statement string, to Writer) error {
	r := &reading{table: f.table}
	text, err := fill(statement, places{"columns": r.columns(), "order": r.order()})
	if err != nil {
		return err
	}
	rows, err := f.session.Copy(ctx, text, to)
	f.rows += rows
	return err
}

// order is the order of files: by hash where there is one, and of one key by the
// order of observation.
func (r *reading) order() string {
	var parts []string
	if slices.Contains(r.table.ColumnNames(), pipeline.ColKHash) {
		parts = append(parts, Quote(pipeline.ColKHash))
	}
	if r.table.Fold != tables.Append {
		for _, k := range r.table.Key {
			parts = append(parts, Quote(k))
		}
	}
	if r.table.Fold == tables.Ordered {
		for _, c := range []string{pipeline.ColVersion, pipeline.ColEpoch, pipeline.ColAskedAt} {
			parts = append(parts, Quote(c)+" NULLS FIRST")
		}
	}
	return strings.Join(append(parts, ColSeq, ColOrd, ColPos), ", ")
}

// close ends the files and says what their rows are.
func (f *folding) close(ctx context.Context, fold bool) ([]lake.File, error) {
	replaced, err := f.replaced.Close(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := f.kept.Close(ctx)
	if err != nil {
		return nil, err
	}
	kind := lake.Delta
	if fold {
		kind = lake.Folded
	}
	for i := range replaced {
		replaced[i].Kind = lake.History
	}
	for i := range kept {
		kept[i].Kind = kind
	}
	return append(replaced, kept...), nil
}
