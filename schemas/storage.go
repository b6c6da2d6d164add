package schemas

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go"
)

// Column is a column of a table of the lake. Every column may hold nulls.
type Column struct {
	Name string
	Type Type
}

// timestampType is the storage of instants.
var timestampType = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

// Arrow is the storage type in a record batch: utf8 for text, enums, JSON and
// lists, decimal128, date32, time64[us], timestamp[us, UTC], int64, double, bool.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Double:
		return arrow.PrimitiveTypes.Float64
	case Decimal:
		return &arrow.Decimal128Type{Precision: t.Precision, Scale: t.Scale}
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Time:
		return arrow.FixedWidthTypes.Time64us
	case Timestamp:
		return timestampType
	}
	return arrow.BinaryTypes.String
}

// DuckDB is the storage type in SQL.
func (t Type) DuckDB() string {
	switch t.Kind {
	case Bool:
		return "BOOLEAN"
	case Int64:
		return "BIGINT"
	case Double:
		return "DOUBLE"
	case Decimal:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	case Date:
		return "DATE"
	case Time:
		return "TIME"
	case Timestamp:
		return "TIMESTAMPTZ"
	}
	return "VARCHAR"
}

// Decimal64 is the precision up to which Parquet files hold a decimal in 64 bits;
// wider ones are 16 bytes, big-endian.
const Decimal64 = 18

// Parquet is the optional column in a file. DuckDB reads it as DuckDB says.
func (t Type) Parquet() parquet.Node {
	return parquet.Optional(t.parquetLeaf())
}

func (t Type) parquetLeaf() parquet.Node {
	switch t.Kind {
	case Bool:
		return parquet.Leaf(parquet.BooleanType)
	case Int64:
		return parquet.Leaf(parquet.Int64Type)
	case Double:
		return parquet.Leaf(parquet.DoubleType)
	case Decimal:
		if t.Precision <= Decimal64 {
			return parquet.Decimal(int(t.Scale), int(t.Precision), parquet.Int64Type)
		}
		return parquet.Decimal(int(t.Scale), int(t.Precision), parquet.FixedLenByteArrayType(16))
	case Date:
		return parquet.Date()
	case Time:
		return parquet.TimeAdjusted(parquet.Microsecond, false) // a time of day without a zone
	case Timestamp:
		return parquet.Timestamp(parquet.Microsecond)
	}
	return parquet.String()
}

// ArrowSchema is the schema of a batch of columns; all are nullable.
func ArrowSchema(columns []Column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// JSONSchema describes the JSON values that a field of the type takes by default.
func (t Type) JSONSchema() map[string]any {
	switch t.Kind {
	case Bool:
		return map[string]any{"type": "boolean"}
	case Int64:
		return map[string]any{"type": "integer"}
	case Double, Decimal:
		return map[string]any{"type": "number"}
	case Date:
		return map[string]any{"type": "string", "format": "date"}
	case Time:
		return map[string]any{"type": "string", "format": "time"}
	case Timestamp:
		return map[string]any{"type": "string", "format": "date-time"}
	case JSON:
		return map[string]any{}
	case Enum:
		return map[string]any{"type": "string", "enum": t.Values}
	case List:
		return map[string]any{"type": "array", "items": t.Elem.JSONSchema()}
	}
	return map[string]any{"type": "string"}
}
