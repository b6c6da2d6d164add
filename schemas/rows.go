package schemas

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

type cellState uint8

const (
	absent cellState = iota
	null
	value
)

// cell is a value of the row that is being built.
type cell struct {
	state  cellState
	scalar scalar
	text   []byte
}

// RowBuilder makes observations field by field: set what the record carries, in
// any order, then Finish. It is not safe for concurrent use.
type RowBuilder struct {
	fields  []Field
	codecs  []*codec
	key     []int
	version int
	present *fieldSets
	nulls   *fieldSets

	cells   []cell
	extra   []byte // canonical JSON, or empty
	scratch []byte // texts of the row that stand nowhere else
	refused *Refusal

	builder *array.RecordBuilder
	bytes   int
	rows    int
}

// NewRowBuilder checks the spec.
func NewRowBuilder(spec DecodeSpec) (*RowBuilder, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	key, version, err := spec.indexes()
	if err != nil {
		return nil, err
	}
	b := &RowBuilder{fields: spec.Fields, key: key, version: version, cells: make([]cell, len(spec.Fields)),
		present: newFieldSets(spec.Fields), nulls: newFieldSets(spec.Fields),
		builder: array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema(ObservationColumns(spec.Fields)))}
	for _, f := range spec.Fields {
		f.Strict = f.Strict || spec.Strict
		c, err := newCodec(f)
		if err != nil {
			return nil, err
		}
		b.codecs = append(b.codecs, c)
	}
	return b, nil
}

// SetNull says that the record gives the field, by its index in the spec, as null.
func (b *RowBuilder) SetNull(field int) { b.cells[field].state = null }

// SetAbsent says that the record does not carry the field, as is true until it is set.
func (b *RowBuilder) SetAbsent(field int) { b.cells[field] = cell{} }

// SetCanonical sets a field to the value of a canonical text. Text that is none
// refuses the record.
func (b *RowBuilder) SetCanonical(field int, text string) {
	v, err := b.fields[field].Type.parseCanonical(text)
	if err != nil {
		b.refuse(field, err)
		return
	}
	b.set(field, v, append([]byte(nil), text...))
}

// SetJSON sets a field to a JSON value as its system writes it; raw must be valid.
func (b *RowBuilder) SetJSON(field int, raw []byte) {
	if raw[0] == 'n' {
		b.SetNull(field)
		return
	}
	v, text, err := b.codecs[field].read(raw, &b.scratch)
	if err != nil {
		b.refuse(field, err)
		return
	}
	b.set(field, v, text)
}

// SetValue sets a field to a value as database drivers give it: nil, text, bool,
// integers, floats, time.Time, JSON as bytes, or a driver.Valuer of those. Text is
// read as canonical text, but for dates and timestamps as ISO 8601. A value that
// its type cannot hold exactly refuses the record.
func (b *RowBuilder) SetValue(field int, v any) {
	s, text, err := b.codecs[field].native(v)
	switch {
	case err != nil:
		b.refuse(field, err)
	case s == nil:
		b.SetNull(field)
	default:
		b.set(field, *s, text)
	}
}

// SetExtra sets what nobody declared: canonical JSON, or empty.
func (b *RowBuilder) SetExtra(canonical string) { b.extra = append(b.extra[:0], canonical...) }

func (b *RowBuilder) set(field int, v scalar, text []byte) {
	b.cells[field] = cell{state: value, scalar: v, text: text}
}

// refuse keeps the first reason why the row is refused; the rest of the row is
// still read, for its ID.
func (b *RowBuilder) refuse(field int, err error) {
	if b.refused == nil {
		b.refused = &Refusal{Field: b.fields[field].Name, Reason: err.Error()}
	}
}

// Finish ends the row and appends it, or gives the reason why it is refused, with
// payload, the record as received. Either way the next row begins.
func (b *RowBuilder) Finish(meta RowMeta, payload []byte) *Refusal {
	defer b.begin()
	for i, f := range b.fields {
		if f.AbsentNull && b.cells[i].state == absent && meta.upsert() {
			b.cells[i].state = null
		}
	}
	id, refused := b.id()
	if b.refused != nil {
		refused = b.refused
		refused.ID = id
	}
	if refused != nil {
		refused.Payload = cutPayload(payload)
		return refused
	}
	b.append(id, meta)
	return nil
}

func (m RowMeta) upsert() bool { return m.Op == "" || m.Op == OpUpsert }

func (b *RowBuilder) begin() {
	clear(b.cells)
	b.extra, b.scratch, b.refused = b.extra[:0], b.scratch[:0], nil
}

// id reads the primary key.
func (b *RowBuilder) id() (string, *Refusal) {
	var buf [4]string
	parts := buf[:0]
	for _, k := range b.key {
		part := ""
		if c := b.cells[k]; c.state == value {
			part = b.codecs[k].canonical(c.scalar, c.text)
		}
		if part == "" {
			return "", &Refusal{Field: b.fields[k].Name, Reason: "the primary key is missing, null or empty"}
		}
		parts = append(parts, part)
	}
	return KeyText(parts), nil
}

// append puts the row into the columns.
func (b *RowBuilder) append(id string, meta RowMeta) {
	op := meta.Op
	if op == "" {
		op = OpUpsert
	}
	present, nulls := b.present.of(b.cells, null, value), b.nulls.of(b.cells, null, null)
	b.text(0).Append(id)
	b.text(1).Append(op)
	b.appendVersion()
	appendOptional(b.text(3), meta.ETag)
	b.text(4).Append(present)
	b.text(5).Append(nulls)
	b.builder.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(meta.AskedAt.UnixMicro()))
	for i := range b.cells {
		b.bytes += appendCell(b.builder.Field(firstField+i), &b.cells[i])
	}
	extra := b.text(firstField + len(b.cells))
	if len(b.extra) == 0 {
		extra.AppendNull()
	} else {
		extra.BinaryBuilder.Append(b.extra)
	}
	b.bytes += len(id) + len(op) + len(meta.ETag) + len(present) + len(nulls) + len(b.extra) + 16
	b.rows++
}

func (b *RowBuilder) text(column int) *array.StringBuilder {
	return b.builder.Field(column).(*array.StringBuilder)
}

func appendOptional(b *array.StringBuilder, text string) {
	if text == "" {
		b.AppendNull()
		return
	}
	b.Append(text)
}

func (b *RowBuilder) appendVersion() {
	column := b.builder.Field(2).(*array.Int64Builder)
	if b.version < 0 || b.cells[b.version].state != value {
		column.AppendNull()
		return
	}
	v := b.cells[b.version].scalar.bits
	if b.fields[b.version].Type.Kind == Date {
		v *= dayUS
	}
	column.Append(v)
}

// appendCell appends a value, or null where there is none, and gives its bytes.
func appendCell(b array.Builder, c *cell) int {
	if c.state != value {
		b.AppendNull()
		return 1
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.BinaryBuilder.Append(c.text)
		return len(c.text) + 4
	case *array.Int64Builder:
		b.Append(c.scalar.bits)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(c.scalar.bits))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(uint64(c.scalar.bits)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(c.scalar.bits))
	case *array.BooleanBuilder:
		b.Append(c.scalar.bits != 0)
		return 1
	case *array.Date32Builder:
		b.Append(arrow.Date32(c.scalar.bits))
		return 4
	case *array.Decimal128Builder:
		b.Append(c.scalar.decimal())
		return 16
	}
	return 8
}

// Len is the number of rows since the last Flush.
func (b *RowBuilder) Len() int { return b.rows }

// SizeBytes is about the memory of the rows since the last Flush.
func (b *RowBuilder) SizeBytes() int { return b.bytes }

// Flush gives the rows, in the columns of ObservationColumns, and begins a new
// batch. The caller releases the rows.
func (b *RowBuilder) Flush() arrow.RecordBatch {
	b.rows, b.bytes = 0, 0
	return b.builder.NewRecordBatch()
}

// native takes a driver's value apart; nil without an error is null.
func (c *codec) native(v any) (*scalar, []byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil, nil
	case string:
		return c.nativeText(v)
	case []byte:
		return c.nativeText(string(v))
	case bool:
		if c.t.Kind != Bool {
			return nil, nil, fmt.Errorf("it is a boolean, where a %s is declared", c.t)
		}
		return c.nativeText(fmt.Sprint(v))
	case int, int8, int16, int32, int64, uint8, uint16, uint32:
		if c.t.Kind == Timestamp {
			return nil, nil, fmt.Errorf("it is an integer, where a timestamp is declared")
		}
		return c.nativeText(fmt.Sprint(v))
	case float32:
		return c.nativeFloat(float64(v))
	case float64:
		return c.nativeFloat(v)
	case time.Time:
		return c.nativeTime(v)
	case [16]byte:
		return c.nativeText(fmt.Sprintf("%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:]))
	case driver.Valuer:
		inner, err := v.Value()
		if err != nil {
			return nil, nil, err
		}
		if _, again := inner.(driver.Valuer); !again {
			return c.native(inner)
		}
	}
	return nil, nil, fmt.Errorf("it is a %T, which no %s is made of", v, c.t)
}

func (c *codec) nativeText(text string) (*scalar, []byte, error) {
	var v scalar
	var err error
	switch c.t.Kind {
	case JSON, List:
		text, err = c.t.canonicalText(text)
	case Timestamp:
		v.bits, err = parseInstant(text, false)
	default:
		v, err = c.t.parseCanonical(text)
	}
	return &v, []byte(text), err
}

func (c *codec) nativeFloat(f float64) (*scalar, []byte, error) {
	switch {
	case c.t.Kind != Double:
		return nil, nil, fmt.Errorf("it is a float, where a %s is declared: select it as text", c.t)
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, nil, fmt.Errorf("%v is no number that can be compared or written", f)
	}
	return &scalar{bits: int64(math.Float64bits(f + 0))}, nil, nil // + 0 makes -0 0
}

func (c *codec) nativeTime(t time.Time) (*scalar, []byte, error) {
	switch c.t.Kind {
	case Timestamp:
		if t.Year() < 1 || t.Year() > 9999 {
			return nil, nil, fmt.Errorf("outside of the years 1 to 9999")
		}
		us, err := checkInstant(t.UnixMicro())
		return &scalar{bits: us}, nil, err
	case Date:
		if t.Sub(t.Truncate(24*time.Hour)) != 0 {
			return nil, nil, fmt.Errorf("it has a time of day, where a date is declared")
		}
		days, err := daysOf(t.Year(), int(t.Month()), t.Day())
		return &scalar{bits: int64(days)}, nil, err
	}
	return nil, nil, fmt.Errorf("it is a time, where a %s is declared: select it as %s", c.t, strings.ToLower(c.t.DuckDB()))
}
