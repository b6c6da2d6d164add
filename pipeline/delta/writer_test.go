package delta_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// bench is a store, a cache and a place for files.
type bench struct {
	store *spy
	cache *delta.Cache
	names int
	dir   string
}

func newBench(t testing.TB, o delta.CacheOptions) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("", "delta")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{store: &spy{Store: mem.New()}, dir: dir}
	b.cache = b.openCache(t, o)
	return b
}

func (b *bench) openCache(t testing.TB, o delta.CacheOptions) *delta.Cache {
	t.Helper()
	c, err := delta.NewCache(filepath.Join(b.dir, "cache"), b.store, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) destination() delta.Destination {
	return delta.Destination{Store: b.store, Cache: b.cache, TempDir: filepath.Join(b.dir, "tmp"), Key: func() string {
		b.names++
		return fmt.Sprintf("data/t/1/%04d.parquet", b.names)
	}}
}

// write makes files of batches.
func (b *bench) write(t testing.TB, table tables.Table, o delta.Options, batches ...arrow.RecordBatch) []lake.File {
	t.Helper()
	w := delta.NewWriter(b.destination(), table, o)
	for _, batch := range batches {
		if err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
		batch.Release()
	}
	files, err := w.Close(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (b *bench) read(t testing.TB, table tables.Table, f lake.File) arrow.RecordBatch {
	t.Helper()
	path, err := b.cache.Path(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := delta.ReadAll(path, table)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// leftovers lists the temporary files that are still there.
func (b *bench) leftovers(t testing.TB) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"tmp/*", "cache/part-*"} {
		paths, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	return found
}

func seen() tables.Table { return tables.SweepSeen(pipeline.StreamID{Entity: "e", System: "s"}) }

// seenRows has a row per key; its ID is its number.
func seenRows(from int, keys ...string) arrow.RecordBatch {
	b := delta.NewRows(seen())
	for i, k := range keys {
		b.Number(schemas.HashKey(k)).Text(k).Text(fmt.Sprint(from + i)).Optional("").Text("run")
	}
	return b.Batch()
}

type keyedRow struct {
	hash    int64
	key, id string
}

func keyedRows(rec arrow.RecordBatch) []keyedRow {
	out := make([]keyedRow, rec.NumRows())
	for i := range out {
		out[i] = keyedRow{rec.Column(0).(*array.Int64).Value(i), rec.Column(1).(*array.String).Value(i), rec.Column(2).(*array.String).Value(i)}
	}
	return out
}

func TestRowsAreSortedByHashAndThenAsTheyCame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, delta.CacheOptions{})
		var batches []arrow.RecordBatch
		var want []keyedRow
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			keys := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", ""}), 2, 40).Draw(rt, "keys")
			rec := seenRows(len(want), keys...)
			all := keyedRows(rec)
			from := rapid.IntRange(0, len(keys)-1).Draw(rt, "from") // a slice of a batch counts as what it shows
			batches, want = append(batches, rec.NewSlice(int64(from), rec.NumRows())), append(want, all[from:]...)
		}
		slices.SortStableFunc(want, func(x, y keyedRow) int { return cmp.Compare(x.hash, y.hash) })
		files := b.write(t, seen(), delta.Options{Tag: "run", Kind: lake.Folded}, batches...)
		f := files[0]
		if len(files) != 1 || f.Rows != int64(len(want)) || f.Tag != "run" || f.Kind != lake.Folded ||
			f.MinHash != want[0].hash || f.MaxHash != want[len(want)-1].hash {
			rt.Fatalf("%+v", files)
		}
		if got := keyedRows(b.read(t, seen(), f)); !slices.Equal(got, want) {
			rt.Fatalf("%v, not %v", got, want)
		}
	})
}

func TestManyRowsAreSortedInBuckets(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	keys := make([]string, 30_000)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i%20_000)
	}
	files := b.write(t, seen(), delta.Options{RowGroupRows: 7000}, seenRows(0, keys...))
	got := keyedRows(b.read(t, seen(), files[0]))
	sorted := slices.IsSortedFunc(got, func(x, y keyedRow) int {
		if x.hash != y.hash {
			return cmp.Compare(x.hash, y.hash)
		}
		return cmp.Compare(len(x.id), len(y.id)) // of the two rows of a key, the later has the longer number, or the greater
	})
	if len(got) != len(keys) || !sorted {
		t.Errorf("%d rows, sorted: %v", len(got), sorted)
	}
}

func TestFilesAreBoundedInBytesAndHoldEveryRow(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	var batches []arrow.RecordBatch
	for i := range 10 {
		batches = append(batches, seenRows(i*2, fmt.Sprint("k", i), strings.Repeat("x", 1000)))
	}
	files := b.write(t, seen(), delta.Options{MaxBytes: 3000}, batches...)
	if len(files) != 4 {
		t.Errorf("%d files", len(files))
	}
	next := 0
	for i, f := range files {
		rows := keyedRows(b.read(t, seen(), f))
		slices.SortFunc(rows, func(x, y keyedRow) int { return cmp.Or(cmp.Compare(len(x.id), len(y.id)), cmp.Compare(x.id, y.id)) })
		for _, r := range rows {
			if r.id != fmt.Sprint(next) {
				t.Fatalf("file %d has row %s where %d is due", i, r.id, next)
			}
			next++
		}
		if f.Key != fmt.Sprintf("data/t/1/%04d.parquet", i+1) {
			t.Errorf("file %d is %s", i, f.Key)
		}
	}
	if next != 20 {
		t.Errorf("%d rows", next)
	}
}

func TestATableWithoutHashesStaysAsItCame(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	rows := delta.NewRows(tables.Metrics())
	for i := range 100 {
		rows.Text("run").Text(fmt.Sprint((i * 37) % 100)).Null().Null().Null().Real(float64(i)).Null()
	}
	files := b.write(t, tables.Metrics(), delta.Options{}, rows.Batch())
	if files[0].MinHash != math.MinInt64 || files[0].MaxHash != math.MaxInt64 {
		t.Errorf("%+v belongs to no range", files[0])
	}
	values := b.read(t, tables.Metrics(), files[0]).Column(5).(*array.Float64)
	for i := range 100 {
		if values.Value(i) != float64(i) {
			t.Fatalf("row %d is %v", i, values.Value(i))
		}
	}
}

func TestAFileCountsOnlyAsItWasReadBack(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	f := b.write(t, seen(), delta.Options{}, seenRows(0, "a", "b"))[0]
	data, info, err := b.store.Get(context.Background(), f.Key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if f.SHA256 != hex.EncodeToString(sum[:]) || f.SizeBytes != info.SizeBytes || f.Rows != 2 {
		t.Errorf("%+v describes other bytes", f)
	}
	if left := b.leftovers(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNoRowsAreNoFile(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	if files := b.write(t, seen(), delta.Options{}, seenRows(0)); files != nil || b.names != 0 {
		t.Errorf("%v, %d names", files, b.names)
	}
}

func TestAfterAnErrorNothingCounts(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	b.store.upload = errors.New("the disk is on fire")
	w := delta.NewWriter(b.destination(), seen(), delta.Options{MaxBytes: 1})
	for i := range 3 {
		if err := w.Write(seenRows(i, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := w.Close(context.Background()); files != nil || !errors.Is(err, b.store.upload) {
		t.Errorf("%v, %v", files, err)
	}
	if left := b.leftovers(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	w = delta.NewWriter(b.destination(), seen(), delta.Options{MaxBytes: 1})
	if err := w.Write(seenRows(0, "a")); err != nil || len(b.leftovers(t)) != 1 {
		t.Errorf("%v, %v", err, b.leftovers(t))
	}
	w.Abort()
	w.Abort()
	if left := b.leftovers(t); len(left) != 0 {
		t.Errorf("left behind by an abort: %v", left)
	}
}

func TestAnUploadThatReadOtherBytesIsRefused(t *testing.T) {
	b := newBench(t, delta.CacheOptions{})
	b.store.beforeUpload = func() {
		paths := b.leftovers(t)
		data, err := os.ReadFile(paths[0])
		if err == nil {
			data[len(data)/2] ^= 1
			err = os.WriteFile(paths[0], data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w := delta.NewWriter(b.destination(), seen(), delta.Options{})
	if err := w.Write(seenRows(0, "a")); err != nil {
		t.Fatal(err)
	}
	if files, err := w.Close(context.Background()); err == nil || !strings.Contains(err.Error(), "not those that were written") {
		t.Errorf("%v, %v", files, err)
	}
}

func TestRowsThatDoNotFitTheTableAreRefused(t *testing.T) {
	good := seenRows(0, "a")
	fields, columns := good.Schema().Fields(), good.Columns()
	batch := func(fields []arrow.Field, columns []arrow.Array) arrow.RecordBatch {
		return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, 1)
	}
	nulls := array.NewInt64Builder(memory.DefaultAllocator)
	nulls.AppendNull()
	for reason, rec := range map[string]arrow.RecordBatch{
		"column _run is there 0 times":   batch(fields[:4], columns[:4]),
		"rows have 6 columns, the table": batch(append(slices.Clone(fields), arrow.Field{Name: "x", Type: fields[1].Type}), append(slices.Clone(columns), columns[1])),
		"column _key is stored as int64": batch([]arrow.Field{fields[0], {Name: "_key", Type: fields[0].Type}, fields[2], fields[3], fields[4]},
			[]arrow.Array{columns[0], columns[0], columns[2], columns[3], columns[4]}),
		"column _khash has nulls": batch(fields, append([]arrow.Array{nulls.NewArray()}, columns[1:]...)),
	} {
		b := newBench(t, delta.CacheOptions{})
		w := delta.NewWriter(b.destination(), seen(), delta.Options{})
		if err := w.Write(rec); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	b := newBench(t, delta.CacheOptions{})
	slices.Reverse(fields)
	slices.Reverse(columns)
	f := b.write(t, seen(), delta.Options{}, batch(fields, columns))[0]
	if got := keyedRows(b.read(t, seen(), f)); got[0].key != "a" {
		t.Errorf("columns in another order: %v", got)
	}
}

// spy is a store that counts, and fails where it is told to.
type spy struct {
	store.Store
	opened       counter
	upload       error
	beforeUpload func()
	open         func(key string, body io.ReadCloser) (io.ReadCloser, error)
}

func (s *spy) Upload(ctx context.Context, key string, r io.Reader) (store.Info, error) {
	if s.upload != nil {
		return store.Info{}, s.upload
	}
	if s.beforeUpload != nil {
		s.beforeUpload()
	}
	return s.Store.Upload(ctx, key, r)
}

func (s *spy) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.opened.add()
	body, err := s.Store.Open(ctx, key, offset, length)
	if err == nil && s.open != nil {
		return s.open(key, body)
	}
	return body, err
}
