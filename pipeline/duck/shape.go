//go:build duckdb_arrow

package duck

import (
	"errors"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// shapeOf tells the columns of a file and their types, read from its end. Whether a
// column has nulls in this file is not part of it.
func shapeOf(path string) (shape string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return "", fault.New(fault.Permanent, "read the columns of a file", err).WithWhere(fault.Place{Object: path}).WithHelp("trueup doctor")
	}
	return strings.ReplaceAll(file.Schema().String(), "required ", "optional "), nil
}
