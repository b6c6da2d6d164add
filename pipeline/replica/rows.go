package replica

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/schemas"
)

// rowNumber is the column that keeps a batch in order through a query.
const rowNumber = "_row"

// withRowNumbers adds a column with the index of each row.
func withRowNumbers(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for i := range batch.NumRows() {
		b.Append(i)
	}
	numbers := b.NewArray()
	defer numbers.Release()
	fields := append([]arrow.Field{{Name: rowNumber, Type: arrow.PrimitiveTypes.Int64}}, batch.Schema().Fields()...)
	columns := append([]arrow.Array{numbers}, batch.Columns()...)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, batch.NumRows()), nil
}

// payload reads the rows of a connector's batch, without their keys.
func (s *Stream) payload(batch arrow.RecordBatch) ([]*row, error) {
	v, err := newView(batch, s.fields)
	if err != nil {
		return nil, fmt.Errorf("batch of %s: %w", s.ID, err)
	}
	rows := make([]*row, batch.NumRows())
	for i := range rows {
		r := v.row(i)
		r.full = true
		for _, c := range s.fields {
			if !r.present.Has(c.Name) {
				r.full = false
				break
			}
		}
		rows[i] = r
	}
	return rows, nil
}

// knowAll enters rows of the replica.
func (f *folder) knowAll(batch arrow.RecordBatch) error {
	v, err := newView(batch, f.fields)
	if err != nil {
		return err
	}
	keys, _ := v.column(pipeline.ColKey).(*array.String)
	hashes, _ := v.column(pipeline.ColKHash).(*array.Int64)
	contents, _ := v.column(pipeline.ColHash).(*array.Int64)
	if keys == nil || hashes == nil || contents == nil {
		return fmt.Errorf("replica rows carry no key or hash")
	}
	for i := range int(batch.NumRows()) {
		r := v.row(i)
		r.key, r.khash, r.hash = keys.Value(i), hashes.Value(i), contents.Value(i)
		f.know(r)
	}
	return nil
}

// view reads the columns of a batch by name, whatever their order.
type view struct {
	batch                        arrow.RecordBatch
	id, op, etag, present, nulls *array.String
	version                      *array.Int64
	asked                        *array.Timestamp
	fields                       []arrow.Array // declared, then _extra
}

func newView(batch arrow.RecordBatch, fields []schemas.Column) (*view, error) {
	v := &view{batch: batch}
	ok := true
	text := func(name string) *array.String {
		a, is := v.column(name).(*array.String)
		ok = ok && is
		return a
	}
	v.id, v.op, v.etag = text(pipeline.ColID), text(pipeline.ColOp), text(pipeline.ColETag)
	v.present, v.nulls = text(pipeline.ColPresent), text(pipeline.ColNulls)
	var is bool
	v.version, is = v.column(pipeline.ColVersion).(*array.Int64)
	ok = ok && is
	v.asked, is = v.column(pipeline.ColAskedAt).(*array.Timestamp)
	ok = ok && is
	for _, c := range fields {
		v.fields = append(v.fields, v.column(c.Name))
	}
	v.fields = append(v.fields, v.column(pipeline.ColExtra))
	for _, a := range v.fields {
		ok = ok && a != nil
	}
	if !ok {
		return nil, fmt.Errorf("columns do not fit: %s", batch.Schema())
	}
	return v, nil
}

func (v *view) column(name string) arrow.Array {
	if i := v.batch.Schema().FieldIndices(name); len(i) == 1 {
		return v.batch.Column(i[0])
	}
	return nil
}

func (v *view) row(i int) *row {
	r := &row{id: v.id.Value(i), op: pipeline.Op(v.op.Value(i)), askedAt: v.asked.Value(i),
		present: pipeline.FieldSet(v.present.Value(i)), nulls: pipeline.FieldSet(v.nulls.Value(i)),
		fields: v.fields, at: i}
	if v.version.IsValid(i) {
		n := v.version.Value(i)
		r.version = &n
	}
	if v.etag.IsValid(i) {
		t := v.etag.Value(i)
		r.etag = &t
	}
	return r
}

// scanKeys gives rows their keys and makes tombstones deletes.
func scanKeys(rows *sql.Rows, out []*row, parts int) error {
	texts := make([]sql.NullString, parts)
	var index int
	var tombstone bool
	into := []any{&index}
	for i := range texts {
		into = append(into, &texts[i])
	}
	into = append(into, &tombstone)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		r := out[index]
		if key, ok := keyOf(texts); ok {
			r.key, r.khash = key, schemas.HashKey(key)
		}
		if tombstone {
			r.op = pipeline.Delete
		}
	}
	return rows.Err()
}

func keyOf(texts []sql.NullString) (string, bool) {
	parts := make([]string, len(texts))
	for i, t := range texts {
		if !t.Valid {
			return "", false
		}
		parts[i] = t.String
	}
	return schemas.KeyText(parts), true
}

// nameBatch lists the key hashes and IDs to look up.
func nameBatch(rows []*row, ids []string) arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: pipeline.ColKHash, Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: pipeline.ColID, Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	hashes, names := b.Field(0).(*array.Int64Builder), b.Field(1).(*array.StringBuilder)
	for _, r := range rows {
		if r.key == "" {
			hashes.AppendNull()
		} else {
			hashes.Append(r.khash)
		}
		names.Append(r.id)
	}
	for _, id := range ids {
		hashes.AppendNull()
		names.Append(id)
	}
	return b.NewRecordBatch()
}

// Verdicts are observations that carry an ID and nothing else: that these records
// are gone (Delete) or were not shown (Missing), asked at a time. The caller
// releases the batch.
func (s *Stream) Verdicts(ids []string, op pipeline.Op, askedAt time.Time) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(schemas.ObservationColumns(s.declared)))
	defer b.Release()
	for i, f := range b.Schema().Fields() {
		for _, id := range ids {
			switch f.Name {
			case pipeline.ColID:
				b.Field(i).(*array.StringBuilder).Append(id)
			case pipeline.ColOp:
				b.Field(i).(*array.StringBuilder).Append(string(op))
			case pipeline.ColPresent, pipeline.ColNulls:
				b.Field(i).(*array.StringBuilder).Append(string(pipeline.NewFieldSet(nil)))
			case pipeline.ColAskedAt:
				b.Field(i).(*array.TimestampBuilder).Append(arrow.Timestamp(askedAt.UnixMicro()))
			default:
				b.Field(i).AppendNull()
			}
		}
	}
	return b.NewRecordBatch()
}

// IDs lists the IDs of a connector's batch.
func IDs(batch arrow.RecordBatch) []string {
	at := batch.Schema().FieldIndices(pipeline.ColID)
	if len(at) != 1 {
		return nil
	}
	column, ok := batch.Column(at[0]).(*array.String)
	if !ok {
		return nil
	}
	out := make([]string, column.Len())
	for i := range out {
		out[i] = column.Value(i)
	}
	return out
}
