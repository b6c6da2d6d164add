//go:build duckdb_arrow

package duck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trueup-data/trueup/pipeline/fault"
)

// Form is a kind of files that Export writes.
type Form string

// The forms.
const (
	AsDuckDB  Form = "duckdb"  // one database, a table for each relation
	AsParquet Form = "parquet" // a folder, a file for each relation
	AsCSV     Form = "csv"     // the same, with a header; null is empty
)

// Forms lists them.
func Forms() []string { return []string{string(AsDuckDB), string(AsParquet), string(AsCSV)} }

// Exported is one relation that was written.
type Exported struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// Export writes whole views and tables of the session, each under its name: into
// one file at path, or into a folder at path with a file for each. What is there
// in the end is all of it; with an error nothing is. Something that is at path
// already is an error. Rows come in any order.
func (s *Session) Export(ctx context.Context, names []string, form Form, path string) (done []Exported, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, outside("write "+path, errors.Join(err, os.ErrExist))
	}
	inside := filepath.Join(s.links.dir, fmt.Sprintf("export-%d", s.number)) // the only folder that DuckDB reaches
	if err := os.MkdirAll(inside, 0o700); err != nil {
		return nil, outside("make a folder to export from", err)
	}
	defer os.RemoveAll(inside)
	if form == AsDuckDB {
		done, err = s.exportDatabase(ctx, names, filepath.Join(inside, "export.duckdb"))
	} else {
		done, err = s.exportFiles(ctx, names, form, inside)
	}
	if err != nil {
		return nil, err
	}
	if form == AsDuckDB {
		inside = filepath.Join(inside, "export.duckdb")
	}
	return done, publish(inside, path)
}

func (s *Session) exportDatabase(ctx context.Context, names []string, file string) (done []Exported, err error) {
	const alias = "_export"
	if err := s.Exec(ctx, "ATTACH "+Literal(file)+" AS "+Quote(alias)); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Exec(context.WithoutCancel(ctx), "DETACH "+Quote(alias))) }()
	for _, name := range names {
		table := Quote(alias) + "." + Quote(name)
		if err := s.Exec(ctx, "CREATE TABLE "+table+" AS SELECT * FROM "+Quote(name)); err != nil {
			return nil, err
		}
		e := Exported{Name: name} // the statement gives no count, as COPY does
		if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&e.Rows); err != nil {
			return nil, classify("count the rows of "+name, err)
		}
		done = append(done, e)
	}
	return done, nil
}

func (s *Session) exportFiles(ctx context.Context, names []string, form Form, folder string) (done []Exported, err error) {
	options := map[Form]string{AsParquet: "(FORMAT parquet, COMPRESSION zstd)", AsCSV: "(FORMAT csv, HEADER)"}[form]
	if options == "" {
		return nil, fault.New(fault.Permanent, "export", fmt.Errorf("there is no form %q", form))
	}
	for _, name := range names {
		rows, err := s.written(ctx, "COPY "+Quote(name)+" TO "+Literal(filepath.Join(folder, name+"."+string(form)))+" "+options)
		if err != nil {
			return nil, err
		}
		done = append(done, Exported{name, rows})
	}
	return done, nil
}

// written runs a statement that writes, and gives the number of rows.
func (s *Session) written(ctx context.Context, statement string) (int64, error) {
	result, err := s.conn.ExecContext(ctx, statement)
	if err != nil {
		return 0, classify(beginning(statement), err)
	}
	rows, err := result.RowsAffected()
	return rows, classify(beginning(statement), err)
}

// publish copies a file, or a folder of files, beside path and gives it its name
// when it is whole: the two may lie on different file systems.
func publish(from, path string) (err error) {
	beside, err := os.MkdirTemp(filepath.Dir(path), ".trueup-export-*")
	if err != nil {
		return outside("write "+path, err)
	}
	defer os.RemoveAll(beside)
	whole := filepath.Join(beside, "whole")
	info, err := os.Stat(from)
	if err != nil {
		return outside("export", err)
	}
	if info.IsDir() {
		err = os.CopyFS(whole, os.DirFS(from))
	} else {
		err = copyFile(from, whole)
	}
	if err == nil {
		err = os.Rename(whole, path)
	}
	if err != nil {
		return outside("write "+path, err)
	}
	return nil
}

func copyFile(from, to string) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(pour(from, out), out.Close())
}

func outside(what string, err error) error {
	return fault.New(fault.Permanent, what, err).WithHelp("name a path that is not there yet, in a folder that can be written and has room").
		WithNote("nothing was exported, and the lake is as it was")
}
