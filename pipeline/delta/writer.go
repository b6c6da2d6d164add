package delta

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Destination is where files go.
type Destination struct {
	Store   store.Store
	Key     func() string // a name that was never used; called once per file
	Cache   *Cache        // takes up what is written; may be nil
	TempDir string        // made if missing; "" is the system's
}

// Options bound a writer. The zero value is usable.
type Options struct {
	MaxBytes     int64         // Arrow bytes of one file; 0 means 128 MiB
	RowGroupRows int           // 0 means 122880, DuckDB's own
	Kind         lake.FileKind // "" means lake.Delta
	Tag          string        // of every file
}

const (
	defaultMaxBytes     = 128 << 20
	defaultRowGroupRows = 122_880
)

func (o Options) defaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.RowGroupRows <= 0 {
		o.RowGroupRows = defaultRowGroupRows
	}
	if o.Kind == "" {
		o.Kind = lake.Delta
	}
	return o
}

// Writer makes files of one table. Rows of a file are sorted by _khash, and rows
// of one hash stay as they came; a table without _khash stays as it came. What
// exceeds MaxBytes becomes another file, in the order of Close's answer. It is not
// safe for concurrent use.
type Writer struct {
	dst     Destination
	table   tables.Table
	options Options
	layout  *layout

	batches []arrow.RecordBatch // of the file to come
	bytes   int64
	rows    int64
	made    []made // written here, not yet uploaded
}

// made is a file that was written here and read back.
type made struct {
	path string
	hold *os.File // keeps other processes from taking it for a dead one's
	file lake.File
}

// NewWriter begins. Nothing is written before a file is full or Close is called.
func NewWriter(dst Destination, t tables.Table, o Options) *Writer {
	return &Writer{dst: dst, table: t, options: o.defaults(), layout: newLayout(t)}
}

// Write takes rows, which may be released after it returns. Their columns are the
// table's, by name, in any order and of the table's storage types.
func (w *Writer) Write(rec arrow.RecordBatch) error {
	if rec.NumRows() == 0 {
		return nil
	}
	ordered, err := w.layout.order(rec)
	if err != nil {
		return w.failed("take rows", err)
	}
	w.batches = append(w.batches, ordered)
	w.bytes += sizeOf(ordered)
	w.rows += ordered.NumRows()
	if w.bytes >= w.options.MaxBytes || w.rows > math.MaxInt32-1<<20 {
		return w.spill()
	}
	return nil
}

// Close writes what is left, uploads every file, and gives the files in the order
// of their rows; no rows are no files. After an error nothing counts: what was
// uploaded is named by nobody.
func (w *Writer) Close(ctx context.Context) ([]lake.File, error) {
	defer w.Abort()
	if err := w.spill(); err != nil {
		return nil, err
	}
	var files []lake.File
	for i := range w.made {
		m := &w.made[i]
		m.file.Key = w.dst.Key()
		if err := w.upload(ctx, m); err != nil {
			return nil, err
		}
		if w.dst.Cache != nil {
			if err := w.dst.Cache.Put(m.path, m.file); err != nil {
				return nil, err
			}
		}
		files = append(files, m.file)
	}
	return files, nil
}

// Abort drops everything that was not uploaded. It may follow Close, and is then
// without effect.
func (w *Writer) Abort() {
	w.drop()
	for _, m := range w.made {
		os.Remove(m.path)
		m.hold.Close()
	}
	w.made = nil
}

func (w *Writer) drop() {
	for _, b := range w.batches {
		b.Release()
	}
	w.batches, w.bytes, w.rows = nil, 0, 0
}

// spill makes a local file of the rows so far.
func (w *Writer) spill() error {
	if w.rows == 0 {
		return nil
	}
	defer w.drop()
	f, err := newTemp(w.dst.TempDir)
	if err != nil {
		return w.failed("make a temporary file", err)
	}
	w.made = append(w.made, made{path: f.Name(), hold: f})
	m := &w.made[len(w.made)-1]
	sorted, err := newSorted(w.batches, w.layout)
	if err != nil {
		return w.failed("sort rows", err)
	}
	if m.file, err = w.encode(f, sorted); err != nil {
		return w.failed("write Parquet", err)
	}
	if err := verify(f, w.layout, sorted, m.file); err != nil {
		return w.failed("read back what was written", err)
	}
	return nil
}

// encode writes rows into f and describes the file.
func (w *Writer) encode(f *os.File, rows *sorted) (lake.File, error) {
	sum := newSum(f)
	if err := encode(sum, w.layout, rows, w.options.RowGroupRows); err != nil {
		return lake.File{}, err
	}
	least, most := rows.bounds()
	return lake.File{Kind: w.options.Kind, Tag: w.options.Tag, Rows: int64(rows.len()), SizeBytes: sum.size,
		SHA256: sum.hex(), MinHash: least, MaxHash: most}, nil
}

// upload sends a file and compares what was sent with what was written.
func (w *Writer) upload(ctx context.Context, m *made) error {
	f, err := os.Open(m.path)
	if err != nil {
		return w.failed("open a temporary file", err)
	}
	defer f.Close()
	sum := newSummedReader(f)
	if _, err := w.dst.Store.Upload(ctx, m.file.Key, sum); err != nil {
		return err
	}
	if sum.hex() != m.file.SHA256 {
		return w.failed("upload", fmt.Errorf("the bytes that were read for %s are not those that were written", m.file.Key))
	}
	return nil
}

func (w *Writer) failed(op string, err error) error {
	return fault.New(fault.KindOf(err), op, err).WithWhere(fault.Place{Object: w.table.Name}).
		WithNote("nothing of it is committed; the files before it are untouched")
}
