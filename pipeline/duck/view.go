//go:build duckdb_arrow

package duck

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// The columns that Rows adds, all BIGINT: the place of a row in the lake. Of two
// rows the one of the greater (_seq, _ord, _pos) was stored later.
const (
	ColSeq = "_seq" // of the commit that added the file
	ColOrd = "_ord" // of the file in the manifest
	ColPos = "_pos" // of the row in the file
)

// Option narrows what a view reads.
type Option func(*reading)

// Range keeps rows whose _khash is from lowest to highest, both included. Files
// and row groups without such rows are not read. Only for tables with _khash.
func Range(lowest, highest int64) Option {
	return func(r *reading) { r.ranged, r.lowest, r.highest = true, lowest, highest }
}

// Since keeps files that were added after a commit. Only for Rows.
func Since(seq uint64) Option { return func(r *reading) { r.since = seq } }

// Span is a range of _khash, both ends included.
type Span struct{ Lowest, Highest int64 }

// Spans cuts all hashes into n ranges of the same width, in order and without a
// gap.
func Spans(n int) []Span {
	n = max(n, 1)
	step := math.MaxUint64 / uint64(n)
	out := make([]Span, n)
	for i := range out {
		lowest := math.MinInt64 + int64(uint64(i)*step)
		if i > 0 {
			out[i-1].Highest = lowest - 1
		}
		out[i].Lowest = lowest
	}
	out[n-1].Highest = math.MaxInt64
	return out
}

// reading is what one view reads of a table.
type reading struct {
	table           tables.Table
	ranged          bool
	lowest, highest int64
	since           uint64
}

// placed is a file on this machine with its place.
type placed struct {
	lake.File
	path  string
	shape string
	ord   int
}

// Current makes a view of a table's rows that count: the one row per key that
// the table's fold rule chooses, or every row of a table without a key. Columns
// that a file does not have yet are null, and a table without files is an empty
// view with its types. The view replaces one of that name.
func (s *Session) Current(ctx context.Context, t tables.Table, view string, options ...Option) error {
	r, files, err := s.open(ctx, t, options)
	if err != nil {
		return err
	}
	if r.since > 0 {
		return fmt.Errorf("view %s of %s: the rows that count cannot be told from new files alone", view, t.Name)
	}
	statement, p := r.current(files)
	p["view"] = Quote(view)
	return s.run(ctx, statement, p)
}

// Rows makes a view of every row that is kept, also of those that a fold
// replaced, with their places.
func (s *Session) Rows(ctx context.Context, t tables.Table, view string, options ...Option) error {
	r, files, err := s.open(ctx, t, options)
	if err != nil {
		return err
	}
	return s.run(ctx, "duck/every.sql", places{"view": Quote(view), "columns": r.columns() + placeColumns, "files": r.scan(files)})
}

const placeColumns = ", " + ColSeq + ", " + ColOrd + ", " + ColPos

// run fills a statement and runs it.
func (s *Session) run(ctx context.Context, statement string, p places) error {
	text, err := fill(statement, p)
	if err != nil {
		return err
	}
	if err := s.Exec(ctx, text); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// open finds the files of a table and brings those that can hold a row here.
func (s *Session) open(ctx context.Context, t tables.Table, options []Option) (*reading, []placed, error) {
	r := &reading{table: t}
	for _, o := range options {
		o(r)
	}
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	files, err := s.at.Files(ctx, t.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("files of %s: %w", t.Name, err)
	}
	var out []placed
	for ord, f := range files {
		if !r.wants(f) {
			continue
		}
		path, shape, err := s.links.acquire(ctx, f)
		if err != nil {
			return nil, nil, fmt.Errorf("file of %s: %w", t.Name, err)
		}
		s.held = append(s.held, path)
		out = append(out, placed{File: f, path: path, shape: shape, ord: ord})
	}
	return r, out, nil
}

// check refuses what would be read wrongly in silence.
func (r *reading) check() error {
	names := r.table.ColumnNames()
	if r.ranged && !slices.Contains(names, pipeline.ColKHash) {
		return fmt.Errorf("table %s has no %s to take a range of", r.table.Name, pipeline.ColKHash)
	}
	for _, reserved := range []string{fileIndex, fileRow, ColSeq, ColOrd, ColPos} {
		if slices.Contains(names, reserved) {
			return fault.New(fault.Permanent, "read table "+r.table.Name, fmt.Errorf("a field cannot be called %s", reserved)).
				WithHelp("rename the field in the project file, with path: " + reserved)
		}
	}
	return nil
}

func (r *reading) wants(f lake.File) bool {
	if f.Rows == 0 || r.since > 0 && f.Seq <= r.since {
		return false
	}
	return !r.ranged || f.MaxHash >= r.lowest && f.MinHash <= r.highest
}
