package delta

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/schemas"
)

const (
	pageBytes       = 512 << 10 // uncompressed; smaller pages make DuckDB slower
	dictionaryBytes = 1 << 20   // a dictionary that outgrows it ends, and plain pages follow
	chunkRows       = 2048      // values on their way to a column at once
)

// encode writes rows as a Parquet file, column by column within a row group.
func encode(w io.Writer, l *layout, rows *sorted, rowGroupRows int) error {
	options := []parquet.WriterOption{l.parquet(dictionaries(l, rows)), parquet.PageBufferSize(pageBytes),
		parquet.DictionaryMaxBytes(dictionaryBytes), parquet.CreatedBy("trueup", "1", "1"),
		parquet.MaxRowsPerRowGroup(math.MaxInt64)} // row groups are ended below
	for _, c := range l.table.Columns {
		if c.Type.Arrow().ID() == arrow.STRING { // rows are in hash order: bounds of text exclude nothing
			options = append(options, parquet.SkipPageBounds(c.Name))
		}
	}
	file := parquet.NewGenericWriter[any](w, options...)
	values := make([]parquet.Value, 0, chunkRows)
	for from := 0; from < rows.len(); from += rowGroupRows {
		part := rows.rows[from:min(from+rowGroupRows, rows.len())]
		for i, column := range file.ColumnWriters() {
			source := newSource(l.table.Columns[i].Type, rows.batches, i)
			if err := source.write(column, part, values); err != nil {
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
	t       schemas.Type
	column  int
	arrays  []arrow.Array
	texts   []texts
	scratch []byte // wide decimals of a chunk
}

// texts is a text column of a batch, laid open: reading it value by value through
// the array costs twice as much.
type texts struct {
	offsets []int32
	bytes   []byte
}

func newSource(t schemas.Type, batches []arrow.RecordBatch, column int) *source {
	s := &source{t: t, column: column, arrays: make([]arrow.Array, len(batches))}
	for i, b := range batches {
		s.arrays[i] = b.Column(column)
		if text, ok := s.arrays[i].(*array.String); ok {
			offsets := text.ValueOffsets()
			s.texts = append(s.texts, texts{offsets, text.ValueBytes()})
			if len(offsets) > 0 && offsets[0] != 0 { // a slice: its bytes begin at its first offset
				s.texts[i] = rebased(offsets, s.texts[i].bytes)
			}
		}
	}
	return s
}

func rebased(offsets []int32, bytes []byte) texts {
	out := make([]int32, len(offsets))
	for i, o := range offsets {
		out[i] = o - offsets[0]
	}
	return texts{out, bytes}
}

// write sends the column of some rows to a file, in chunks that values holds.
func (s *source) write(to *parquet.ColumnWriter, rows []rowRef, values []parquet.Value) error {
	for len(rows) > 0 {
		n := min(len(rows), chunkRows)
		values, s.scratch = values[:0], s.scratch[:0]
		for _, r := range rows[:n] {
			level := 1
			v := parquet.Value{}
			if arr := s.arrays[r.batch]; arr.IsNull(int(r.row)) {
				level = 0
			} else {
				v = s.value(arr, r)
			}
			values = append(values, v.Level(0, level, s.column))
		}
		if _, err := to.WriteRowValues(values); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (s *source) value(arr arrow.Array, r rowRef) parquet.Value {
	i := int(r.row)
	switch a := arr.(type) {
	case *array.String:
		t := &s.texts[r.batch]
		return parquet.ByteArrayValue(t.bytes[t.offsets[i]:t.offsets[i+1]])
	case *array.Int64:
		return parquet.Int64Value(a.Value(i))
	case *array.Timestamp:
		return parquet.Int64Value(int64(a.Value(i)))
	case *array.Time64:
		return parquet.Int64Value(int64(a.Value(i)))
	case *array.Date32:
		return parquet.Int32Value(int32(a.Value(i)))
	case *array.Boolean:
		return parquet.BooleanValue(a.Value(i))
	case *array.Float64:
		return parquet.DoubleValue(a.Value(i))
	case *array.Decimal128:
		return s.decimal(a, i)
	}
	panic(fmt.Sprintf("delta: a %s is not stored as %s", s.t, arr.DataType())) // order refuses it
}

func (s *source) decimal(a *array.Decimal128, i int) parquet.Value {
	n := a.Value(i)
	if s.t.Precision <= schemas.Decimal64 {
		return parquet.Int64Value(int64(n.LowBits()))
	}
	if s.scratch == nil {
		s.scratch = make([]byte, 0, chunkRows*16) // never grows: values point into it
	}
	at := len(s.scratch)
	s.scratch = binary.BigEndian.AppendUint64(s.scratch, uint64(n.HighBits()))
	s.scratch = binary.BigEndian.AppendUint64(s.scratch, n.LowBits())
	return parquet.FixedLenByteArrayValue(s.scratch[at:])
}

// dictionaries decides by a sample which text columns have few values.
func dictionaries(l *layout, rows *sorted) []bool {
	const sample = 512
	out := make([]bool, len(l.table.Columns))
	step := max(1, rows.len()/sample)
	for c, column := range l.table.Columns {
		if column.Type.Arrow().ID() != arrow.STRING {
			continue
		}
		source := newSource(column.Type, rows.batches, c)
		seen, distinct := 0, map[string]struct{}{}
		for i := 0; i < rows.len(); i += step {
			r := rows.rows[i]
			if source.arrays[r.batch].IsValid(int(r.row)) {
				seen++
				distinct[string(source.value(source.arrays[r.batch], r).ByteArray())] = struct{}{}
			}
		}
		out[c] = len(distinct)*4 <= seen
	}
	return out
}
