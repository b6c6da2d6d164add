package delta

import (
	"fmt"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/pipeline/lake"
)

// verify reads the footer of a file that was just written and compares it with
// what was meant: a file counts only after this.
func verify(f *os.File, l *layout, rows *sorted, file lake.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != file.SizeBytes {
		return fmt.Errorf("the file has %d bytes, %d were written", info.Size(), file.SizeBytes)
	}
	read, err := parquet.OpenFile(f, info.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	counted := int64(0)
	for _, g := range read.RowGroups() {
		counted += g.NumRows()
		if n := len(g.ColumnChunks()); n != len(l.table.Columns) {
			return fmt.Errorf("a row group has %d columns, the table %d", n, len(l.table.Columns))
		}
	}
	if counted != int64(rows.len()) || read.NumRows() != counted {
		return fmt.Errorf("the file has %d rows, %d were written", counted, rows.len())
	}
	if l.hash < 0 {
		return nil
	}
	return verifyHashes(read, l, file)
}

// verifyHashes compares the bounds of the row groups with those of the rows.
func verifyHashes(read *parquet.File, l *layout, file lake.File) error {
	var least, most int64
	for i, g := range read.Metadata().RowGroups {
		s := g.Columns[l.hash].MetaData.Statistics
		if len(s.MinValue) != 8 || len(s.MaxValue) != 8 {
			return fmt.Errorf("row group %d has no bounds of hashes", i)
		}
		low, high := parquet.Int64.Value(s.MinValue).Int64(), parquet.Int64.Value(s.MaxValue).Int64()
		if i > 0 && low < most {
			return fmt.Errorf("row group %d is not in the order of hashes", i)
		}
		if i == 0 {
			least = low
		}
		most = high
	}
	if least != file.MinHash || most != file.MaxHash {
		return fmt.Errorf("the file holds the hashes %d to %d, not %d to %d", least, most, file.MinHash, file.MaxHash)
	}
	return nil
}
