package delta

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// Rows builds a batch of a table cell by cell, in the order of its columns: for
// tables that are written a few rows at a time. A value of the wrong type or a
// row that is not whole is a mistake of the program and panics. It is not safe
// for concurrent use.
type Rows struct {
	table   tables.Table
	builder *array.RecordBuilder
	column  int
	count   int64
}

// NewRows begins a batch of t.
func NewRows(t tables.Table) *Rows {
	return &Rows{table: t, builder: array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(t.Columns))}
}

// cell gives the builder of the next column.
func cell[B array.Builder](r *Rows) B {
	b, ok := r.builder.Field(r.column).(B)
	if !ok {
		panic(fmt.Sprintf("delta: column %s of %s is %s", r.table.Columns[r.column].Name, r.table.Name, r.table.Columns[r.column].Type))
	}
	r.advance()
	return b
}

func (r *Rows) advance() {
	r.column++
	if r.column == len(r.table.Columns) {
		r.column = 0
		r.count++
	}
}

// Text appends text, or canonical JSON.
func (r *Rows) Text(v string) *Rows { cell[*array.StringBuilder](r).Append(v); return r }

// Number appends a BIGINT.
func (r *Rows) Number(v int64) *Rows { cell[*array.Int64Builder](r).Append(v); return r }

// Real appends a DOUBLE.
func (r *Rows) Real(v float64) *Rows { cell[*array.Float64Builder](r).Append(v); return r }

// Flag appends a BOOLEAN.
func (r *Rows) Flag(v bool) *Rows { cell[*array.BooleanBuilder](r).Append(v); return r }

// Time appends a timestamp, rounded down to microseconds.
func (r *Rows) Time(v time.Time) *Rows {
	cell[*array.TimestampBuilder](r).Append(arrow.Timestamp(v.UnixMicro()))
	return r
}

// Null appends null to a column of any type.
func (r *Rows) Null() *Rows {
	r.builder.Field(r.column).AppendNull()
	r.advance()
	return r
}

// Optional appends text, or null for the empty text.
func (r *Rows) Optional(v string) *Rows {
	if v == "" {
		return r.Null()
	}
	return r.Text(v)
}

// OptionalNumber appends a BIGINT, or null for nil.
func (r *Rows) OptionalNumber(v *int64) *Rows {
	if v == nil {
		return r.Null()
	}
	return r.Number(*v)
}

// Len is the number of whole rows so far.
func (r *Rows) Len() int64 { return r.count }

// Batch ends the building. The caller releases the batch.
func (r *Rows) Batch() arrow.RecordBatch {
	defer r.builder.Release()
	if r.column != 0 {
		panic(fmt.Sprintf("delta: row %d of %s ends before column %s", r.count, r.table.Name, r.table.Columns[r.column].Name))
	}
	return r.builder.NewRecordBatch()
}
