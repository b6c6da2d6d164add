package schemas

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
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
	idText  []byte
	refused *Refusal

	schema  *arrow.Schema
	columns []column // as in ObservationColumns
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
		schema: ArrowSchema(ObservationColumns(spec.Fields))}
	for _, c := range ObservationColumns(spec.Fields) {
		b.columns = append(b.columns, newColumn(c.Type))
	}
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
		refused.ID = string(id)
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

// id reads the primary key into space that the next row takes.
func (b *RowBuilder) id() ([]byte, *Refusal) {
	b.idText = b.idText[:0]
	var parts []string
	for _, k := range b.key {
		start := len(b.idText)
		if c := b.cells[k]; c.state == value {
			b.idText = b.codecs[k].appendCanonical(b.idText, c.scalar, c.text)
		}
		if len(b.idText) == start {
			return nil, &Refusal{Field: b.fields[k].Name, Reason: "the primary key is missing, null or empty"}
		}
		if len(b.key) > 1 {
			parts = append(parts, string(b.idText[start:]))
		}
	}
	if len(parts) > 0 {
		b.idText = append(b.idText[:0], KeyText(parts)...)
	}
	return b.idText, nil
}

// append puts the row into the columns.
func (b *RowBuilder) append(id []byte, meta RowMeta) {
	op := meta.Op
	if op == "" {
		op = OpUpsert
	}
	present, nulls := b.present.of(b.cells, null, value), b.nulls.of(b.cells, null, null)
	b.columns[0].appendText(id)
	b.columns[1].appendString(op)
	b.appendVersion()
	b.appendOptional(3, meta.ETag)
	b.columns[4].appendString(present)
	b.columns[5].appendString(nulls)
	b.columns[6].appendScalar(scalar{bits: meta.AskedAt.UnixMicro()})
	for i := range b.cells {
		b.appendCell(&b.columns[firstField+i], &b.cells[i])
	}
	if extra := &b.columns[firstField+len(b.cells)]; len(b.extra) > 0 {
		extra.appendText(b.extra)
	} else {
		extra.appendNull()
	}
	b.bytes += len(id) + len(op) + len(meta.ETag) + len(present) + len(nulls) + len(b.extra) + 40
	b.rows++
}

func (b *RowBuilder) appendOptional(column int, text string) {
	if text == "" {
		b.columns[column].appendNull()
		return
	}
	b.columns[column].appendString(text)
}

func (b *RowBuilder) appendVersion() {
	if b.version < 0 || b.cells[b.version].state != value {
		b.columns[2].appendNull()
		return
	}
	v := b.cells[b.version].scalar
	if b.fields[b.version].Type.Kind == Date {
		v.bits *= dayUS
	}
	b.columns[2].appendScalar(v)
}

func (b *RowBuilder) appendCell(to *column, c *cell) {
	switch {
	case c.state != value:
		to.appendNull()
	case to.layout == textLayout:
		to.appendText(c.text)
	default:
		to.appendScalar(c.scalar)
	}
	b.bytes += len(c.text) + 8
}

// Len is the number of rows since the last Flush.
func (b *RowBuilder) Len() int { return b.rows }

// SizeBytes is about the memory of the rows since the last Flush. One batch holds
// less than 2 GiB of text in a column: flush long before.
func (b *RowBuilder) SizeBytes() int { return b.bytes }

// Flush gives the rows, in the columns of ObservationColumns, and begins a new
// batch. The caller releases the rows.
func (b *RowBuilder) Flush() arrow.RecordBatch {
	arrays := make([]arrow.Array, len(b.columns))
	for i := range b.columns {
		arrays[i] = b.columns[i].array()
		defer arrays[i].Release()
	}
	rows := b.rows
	b.rows, b.bytes = 0, 0
	return array.NewRecordBatch(b.schema, arrays, int64(rows))
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
			return nil, nil, fmt.Errorf("it is a boolean, where %s is declared", c.t)
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
		return nil, nil, fmt.Errorf("it is a float, where %s is declared: select it as text", c.t)
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
	return nil, nil, fmt.Errorf("it is a time, where %s is declared: select it as %s", c.t, strings.ToLower(c.t.DuckDB()))
}
