package delta

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/schemas"
)

const (
	pageBytes       = 512 << 10 // uncompressed; smaller pages make DuckDB slower
	dictionaryBytes = 1 << 20   // a dictionary that outgrows it ends, and plain pages follow
	chunkRows       = 2048      // values on their way to a column at once
)

// encode writes rows as a Parquet file, column by column within a row group. A
// column that has no nulls among the rows is a required one: it takes less to
// write and to read.
func encode(w io.Writer, l *layout, rows *sorted, rowGroupRows int) error {
	sources := make([]*source, len(l.table.Columns))
	options := []parquet.WriterOption{parquet.PageBufferSize(pageBytes), parquet.DictionaryMaxBytes(dictionaryBytes), parquet.DataPageStatistics(false),
		parquet.CreatedBy("trueup", "1", "1"), parquet.MaxRowsPerRowGroup(math.MaxInt64)} // row groups are ended below
	for i, c := range l.table.Columns {
		sources[i] = newSource(c.Type, rows.batches, i)
		if c.Type.Arrow().ID() == arrow.STRING { // rows are in hash order: bounds of text exclude nothing
			options = append(options, parquet.SkipPageBounds(c.Name))
		}
	}
	file := parquet.NewGenericWriter[any](w, append(options, l.parquet(sources, rows))...)
	values := make([]parquet.Value, 0, chunkRows)
	for from := 0; from < rows.len(); from += rowGroupRows {
		part := rows.rows[from:min(from+rowGroupRows, rows.len())]
		for i, column := range file.ColumnWriters() {
			if err := sources[i].write(column, part, values); err != nil {
				return fmt.Errorf("column %s: %w", l.table.Columns[i].Name, err)
			}
		}
		if err := file.Flush(); err != nil {
			return err
		}
	}
	return file.Close()
}

// source reads one column of the batches as Parquet values.
type source struct {
	column  int
	arrays  []arrow.Array
	nulls   bool
	get     func(r rowRef) parquet.Value // of a value that is not null
	scratch []byte                       // wide decimals of a chunk
}

func newSource(t schemas.Type, batches []arrow.RecordBatch, column int) *source {
	s := &source{column: column, arrays: make([]arrow.Array, len(batches))}
	for i, b := range batches {
		s.arrays[i] = b.Column(column)
		s.nulls = s.nulls || s.arrays[i].NullN() > 0
	}
	switch t.Kind {
	case schemas.Int64:
		s.get = int64s(s.arrays, (*array.Int64).Int64Values)
	case schemas.Timestamp:
		s.get = int64s(s.arrays, (*array.Timestamp).TimestampValues)
	case schemas.Time:
		s.get = int64s(s.arrays, (*array.Time64).Time64Values)
	case schemas.Date:
		s.get = values(s.arrays, (*array.Date32).Date32Values, func(v arrow.Date32) parquet.Value { return parquet.Int32Value(int32(v)) })
	case schemas.Double:
		s.get = values(s.arrays, (*array.Float64).Float64Values, parquet.DoubleValue)
	case schemas.Bool:
		s.get = func(r rowRef) parquet.Value {
			return parquet.BooleanValue(s.arrays[r.batch].(*array.Boolean).Value(int(r.row)))
		}
	case schemas.Decimal:
		s.get = values(s.arrays, (*array.Decimal128).Values, s.decimal)
		if t.Precision <= schemas.Decimal64 {
			s.get = values(s.arrays, (*array.Decimal128).Values, func(n decimal128.Num) parquet.Value { return parquet.Int64Value(int64(n.LowBits())) })
		}
	default:
		s.get = texts(s.arrays)
	}
	return s
}

// values lays the arrays open: reading them value by value costs twice as much.
func values[A arrow.Array, V any](arrays []arrow.Array, open func(A) []V, value func(V) parquet.Value) func(rowRef) parquet.Value {
	opened := make([][]V, len(arrays))
	for i, a := range arrays {
		opened[i] = open(a.(A))
	}
	return func(r rowRef) parquet.Value { return value(opened[r.batch][r.row]) }
}

func int64s[A arrow.Array, V ~int64](arrays []arrow.Array, open func(A) []V) func(rowRef) parquet.Value {
	return values(arrays, open, func(v V) parquet.Value { return parquet.Int64Value(int64(v)) })
}

func texts(arrays []arrow.Array) func(rowRef) parquet.Value {
	type text struct {
		offsets []int32
		bytes   []byte
		base    int32 // a slice of an array begins at its first offset
	}
	opened := make([]text, len(arrays))
	for i, a := range arrays {
		column := a.(*array.String)
		opened[i] = text{offsets: column.ValueOffsets(), bytes: column.ValueBytes()}
		opened[i].base = opened[i].offsets[0]
	}
	return func(r rowRef) parquet.Value {
		t := &opened[r.batch]
		return parquet.ByteArrayValue(t.bytes[t.offsets[r.row]-t.base : t.offsets[r.row+1]-t.base])
	}
}

func (s *source) decimal(n decimal128.Num) parquet.Value {
	if s.scratch == nil {
		s.scratch = make([]byte, 0, chunkRows*16) // never grows: values point into it
	}
	at := len(s.scratch)
	s.scratch = binary.BigEndian.AppendUint64(s.scratch, uint64(n.HighBits()))
	s.scratch = binary.BigEndian.AppendUint64(s.scratch, n.LowBits())
	return parquet.FixedLenByteArrayValue(s.scratch[at:])
}

// write sends the column of some rows to a file, in chunks that values holds.
func (s *source) write(to *parquet.ColumnWriter, rows []rowRef, values []parquet.Value) error {
	for len(rows) > 0 {
		n := min(len(rows), chunkRows)
		values, s.scratch = values[:0], s.scratch[:0]
		if s.nulls {
			values = s.optional(values, rows[:n])
		} else {
			for _, r := range rows[:n] {
				values = append(values, s.get(r))
			}
		}
		if _, err := to.WriteRowValues(values); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (s *source) optional(values []parquet.Value, rows []rowRef) []parquet.Value {
	null := parquet.Value{}.Level(0, 0, s.column)
	for _, r := range rows {
		if s.arrays[r.batch].IsNull(int(r.row)) {
			values = append(values, null)
		} else {
			values = append(values, s.get(r).Level(0, 1, s.column))
		}
	}
	return values
}

// fewValues tells by a sample whether a dictionary is worth while.
func (s *source) fewValues(rows *sorted) bool {
	const sample = 512
	seen, distinct := 0, map[string]struct{}{}
	for i := 0; i < rows.len(); i += max(1, rows.len()/sample) {
		if r := rows.rows[i]; s.arrays[r.batch].IsValid(int(r.row)) {
			seen++
			distinct[string(s.get(r).ByteArray())] = struct{}{}
		}
	}
	return len(distinct)*4 <= seen
}
