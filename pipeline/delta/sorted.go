package delta

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// sorted is the rows of some batches in the order of a file.
type sorted struct {
	batches []arrow.RecordBatch
	rows    []rowRef
	hashed  bool
}

// rowRef is where a row stands.
type rowRef struct {
	hash  int64
	batch int32
	row   int32
}

func newSorted(batches []arrow.RecordBatch, l *layout) (*sorted, error) {
	total := 0
	for _, b := range batches {
		total += int(b.NumRows())
	}
	s := &sorted{batches: batches, rows: make([]rowRef, 0, total), hashed: l.hash >= 0}
	for i, b := range batches {
		var hashes []int64
		if s.hashed {
			hashes = b.Column(l.hash).(*array.Int64).Int64Values()
		}
		for row := range int(b.NumRows()) {
			ref := rowRef{batch: int32(i), row: int32(row)}
			if s.hashed {
				ref.hash = hashes[row]
			}
			s.rows = append(s.rows, ref)
		}
	}
	if s.hashed && !slices.IsSortedFunc(s.rows, rowRef.compare) {
		sortRows(s.rows)
	}
	return s, nil
}

// compare orders by hash, then as the rows came.
func (r rowRef) compare(o rowRef) int {
	switch {
	case r.hash != o.hash:
		return cmp.Compare(r.hash, o.hash)
	case r.batch != o.batch:
		return cmp.Compare(r.batch, o.batch)
	}
	return cmp.Compare(r.row, o.row)
}

// sortRows sorts rows that came in order of (batch, row). Hashes are evenly
// spread, so the rows first go into buckets by their highest bits, which keeps
// their order, and each bucket of some dozen rows is sorted by itself.
func sortRows(rows []rowRef) {
	shift := 64
	for n := len(rows) / 32; n > 0 && shift > 40; n /= 2 {
		shift--
	}
	bucket := func(r rowRef) uint64 { return (uint64(r.hash) ^ 1<<63) >> shift }
	ends := make([]int32, 1<<(64-shift)+1)
	for _, r := range rows {
		ends[bucket(r)+1]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	out := make([]rowRef, len(rows))
	for _, r := range rows {
		b := bucket(r)
		out[ends[b]] = r
		ends[b]++
	}
	start := int32(0)
	for _, end := range ends[:len(ends)-1] {
		slices.SortFunc(out[start:end], rowRef.compare)
		start = end
	}
	copy(rows, out)
}

func (s *sorted) len() int { return len(s.rows) }

// bounds are the least and the greatest hash; a table without hashes belongs to
// every range.
func (s *sorted) bounds() (least, most int64) {
	if !s.hashed {
		return math.MinInt64, math.MaxInt64
	}
	return s.rows[0].hash, s.rows[len(s.rows)-1].hash
}

// sizeOf is about the memory of the rows in bytes, also of a slice of a batch.
func sizeOf(rec arrow.RecordBatch) int64 {
	total := int64(0)
	for _, c := range rec.Columns() {
		if text, ok := c.(*array.String); ok {
			offsets := text.ValueOffsets()
			total += int64(offsets[len(offsets)-1]-offsets[0]) + 4*rec.NumRows()
			continue
		}
		if fixed, ok := c.DataType().(arrow.FixedWidthDataType); ok {
			total += int64(fixed.BitWidth()) * rec.NumRows() / 8
		}
	}
	return total
}
