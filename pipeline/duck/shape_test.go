//go:build duckdb_arrow

package duck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/trueup-data/trueup/pipeline/tables"
)

// Files of the same columns are one list, whether a column has nulls in one of them
// or not. A file of an older version, or of another type, is a list of its own.
func TestFilesOfOneShapeAreOneList(t *testing.T) {
	dir := t.TempDir()
	var files []placed
	for name, columns := range map[string]parquet.Group{
		"a": {"name": parquet.Optional(parquet.String()), "size": parquet.Optional(parquet.Int(64))},
		"b": {"name": parquet.Required(parquet.String()), "size": parquet.Optional(parquet.Int(64))},
		"c": {"name": parquet.Optional(parquet.String())},
		"d": {"name": parquet.Optional(parquet.String()), "size": parquet.Optional(parquet.Int(32))},
	} {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := parquet.NewWriter(f, parquet.NewSchema("rows", columns)).Close(); err != nil {
			t.Fatal(err)
		}
		shape, err := shapeOf(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, placed{path: path, shape: shape})
	}
	scan := (&reading{table: tables.Holds()}).scan(files)
	if lists := strings.Count(scan, "read_parquet("); lists != 3 {
		t.Errorf("%d lists: %s", lists, scan)
	}
	if _, err := shapeOf(filepath.Join(dir, "none")); err == nil {
		t.Error("there is no such file")
	}
}
