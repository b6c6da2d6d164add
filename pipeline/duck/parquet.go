//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// ErrTooMany is what Parquet gives for a result of more rows than it may have.
var ErrTooMany = errors.New("the result has too many rows")

// Parquet writes the result of a statement to w as one Parquet file, in the types
// of DuckDB. ErrTooMany: it has more rows than limit, and nothing was written. It
// works in a locked session too: the file is made in the engine's own folder.
func (s *Session) Parquet(ctx context.Context, statement string, limit int64, w io.Writer) error {
	reader, err := s.Arrow(ctx, statement)
	if err != nil {
		return err
	}
	defer reader.Release()
	const result = "_result"
	release, err := s.register(ctx, result, reader)
	if err != nil {
		return err
	}
	defer release()
	var rows int64
	if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+Quote(result)).Scan(&rows); err != nil {
		return classify("count the rows of a result", err)
	}
	if rows > limit {
		return ErrTooMany
	}
	path := filepath.Join(s.links.dir, fmt.Sprintf("result-%d.parquet", s.number))
	defer os.Remove(path)
	if _, err := s.conn.ExecContext(ctx, "COPY "+Quote(result)+" TO "+Literal(path)+" (FORMAT parquet, COMPRESSION zstd)"); err != nil {
		return classify("write a result", err)
	}
	return pour(path, w)
}

// pour copies a file.
func pour(path string, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Permanent, "read a result", err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fault.New(fault.Permanent, "write a result", err).WithHelp("free space, or name another file")
	}
	return nil
}
