package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// ReadAll reads a whole file of a table into memory, in the file's order; columns
// that the file does not have are null. It is for small files and for tests. The
// caller releases the rows.
func ReadAll(path string, t tables.Table) (arrow.RecordBatch, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schemas.ArrowSchema(t.Columns))
	defer b.Release()
	for i, c := range t.Columns {
		if err := readColumn(file, c, b.Field(i)); err != nil {
			return nil, fmt.Errorf("%s, column %s: %w", path, c.Name, err)
		}
	}
	return b.NewRecordBatch(), nil
}

func readColumn(file *parquet.File, c schemas.Column, b array.Builder) error {
	leaf, there := file.Schema().Lookup(c.Name)
	if !there {
		for range file.NumRows() {
			b.AppendNull()
		}
		return nil
	}
	for _, group := range file.RowGroups() {
		pages := group.ColumnChunks()[leaf.ColumnIndex].Pages()
		if err := errors.Join(readPages(pages, c.Type, b), pages.Close()); err != nil {
			return err
		}
	}
	return nil
}

func readPages(pages parquet.Pages, t schemas.Type, b array.Builder) error {
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = readValues(page.Values(), t, b)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func readValues(from parquet.ValueReader, t schemas.Type, b array.Builder) error {
	values := make([]parquet.Value, chunkRows)
	for {
		n, err := from.ReadValues(values)
		for _, v := range values[:n] {
			if v.IsNull() {
				b.AppendNull()
			} else if err := appendValue(v, t, b); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func appendValue(v parquet.Value, t schemas.Type, b array.Builder) error {
	switch b := b.(type) {
	case *array.StringBuilder:
		b.BinaryBuilder.Append(v.ByteArray())
	case *array.Int64Builder:
		b.Append(v.Int64())
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Int64()))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.Int64()))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.Int32()))
	case *array.BooleanBuilder:
		b.Append(v.Boolean())
	case *array.Float64Builder:
		b.Append(v.Double())
	case *array.Decimal128Builder:
		if t.Precision <= schemas.Decimal64 {
			b.Append(decimal128.FromI64(v.Int64()))
			return nil
		}
		wide := v.ByteArray()
		b.Append(decimal128.New(int64(binary.BigEndian.Uint64(wide[:8])), binary.BigEndian.Uint64(wide[8:])))
	default:
		return fmt.Errorf("a %s is not stored as %s", t, b.Type())
	}
	return nil
}
