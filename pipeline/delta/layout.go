package delta

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/uncompressed"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// layout is how a table's columns stand in a file.
type layout struct {
	table  tables.Table
	schema *arrow.Schema
	hash   int // index of _khash, or -1
}

func newLayout(t tables.Table) *layout {
	return &layout{table: t, schema: schemas.ArrowSchema(t.Columns), hash: slices.Index(t.ColumnNames(), pipeline.ColKHash)}
}

// order gives the rows with the table's columns, in the table's order.
func (l *layout) order(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, len(l.table.Columns))
	for i, c := range l.table.Columns {
		at := rec.Schema().FieldIndices(c.Name)
		if len(at) != 1 {
			return nil, fmt.Errorf("column %s is there %d times", c.Name, len(at))
		}
		columns[i] = rec.Column(at[0])
		if got := columns[i].DataType(); !sameStorage(got, c.Type.Arrow()) {
			return nil, fmt.Errorf("column %s is stored as %s, where a %s is %s", c.Name, got, c.Type, c.Type.Arrow())
		}
	}
	if int(rec.NumCols()) != len(columns) {
		return nil, fmt.Errorf("rows have %d columns, the table %d: %s", rec.NumCols(), len(columns), rec.Schema())
	}
	if l.hash >= 0 && columns[l.hash].NullN() > 0 {
		return nil, fmt.Errorf("column %s has nulls: such rows would be in no range of hashes", pipeline.ColKHash)
	}
	return array.NewRecordBatch(l.schema, columns, rec.NumRows()), nil
}

// sameStorage compares types; instants are instants in any zone.
func sameStorage(a, b arrow.DataType) bool {
	s, ok1 := a.(*arrow.TimestampType)
	t, ok2 := b.(*arrow.TimestampType)
	if ok1 && ok2 {
		return s.Unit == t.Unit && s.TimeZone != ""
	}
	return arrow.TypeEqual(a, b)
}

// parquet is the schema of a file of these rows.
func (l *layout) parquet(sources []*source, rows *sorted) *parquet.Schema {
	group := orderedGroup{Group: parquet.Group{}}
	for i, c := range l.table.Columns {
		node := c.Type.Parquet()
		if !sources[i].nulls {
			node = parquet.Required(node)
		}
		text := c.Type.Arrow().ID() == arrow.STRING
		switch {
		case i == l.hash: // hashes do not compress
			node = parquet.Compressed(parquet.Encoded(node, &parquet.Plain), &uncompressed.Codec{})
		case text && sources[i].fewValues(rows):
			node = parquet.Compressed(parquet.Encoded(node, &parquet.RLEDictionary), &fastSnappy{})
		default:
			node = parquet.Compressed(parquet.Encoded(node, &parquet.Plain), &fastSnappy{})
		}
		group.fields = append(group.fields, orderedField{Node: node, name: c.Name})
	}
	return parquet.NewSchema("rows", group)
}

// orderedGroup keeps the columns in the table's order, which parquet.Group sorts.
type orderedGroup struct {
	parquet.Group
	fields []orderedField
}

// Fields lists the columns.
func (g orderedGroup) Fields() []parquet.Field {
	out := make([]parquet.Field, len(g.fields))
	for i := range g.fields {
		out[i] = &g.fields[i]
	}
	return out
}

type orderedField struct {
	parquet.Node
	name string
}

// Name is the column's.
func (f *orderedField) Name() string { return f.name }

// Value is never asked for: columns are written and read as columns.
func (f *orderedField) Value(base reflect.Value) reflect.Value { return base }
