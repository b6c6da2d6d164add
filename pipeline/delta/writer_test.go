package delta_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
)

// bench is a store, a cache and a place for files.
type bench struct {
	store *mem.Store
	cache *delta.Cache
	names int
	dir   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{store: mem.New(), dir: t.TempDir()}
	var err error
	if b.cache, err = delta.NewCache(b.dir+"/cache", b.store, delta.CacheOptions{}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) destination() delta.Destination {
	return delta.Destination{Store: b.store, Cache: b.cache, TempDir: b.dir + "/tmp", Key: func() string {
		b.names++
		return fmt.Sprintf("data/t/1/%04d.parquet", b.names)
	}}
}

func seen() tables.Table { return tables.SweepSeen(pipeline.StreamID{Entity: "e", System: "s"}) }

func seenRows(keys ...string) arrow.RecordBatch {
	b := delta.NewRows(seen())
	for i, k := range keys {
		b.Number(schemas.HashKey(k)).Text(k).Text(fmt.Sprint(i)).Text("").Text("run")
	}
	return b.Batch()
}

func TestRowsAreSortedByHashAndThenAsTheyCame(t *testing.T) {
	b := newBench(t)
	w := delta.NewWriter(b.destination(), seen(), delta.Options{})
	if err := w.Write(seenRows("a", "b", "c", "a", "d", "a")); err != nil {
		t.Fatal(err)
	}
	files, err := w.Close(context.Background())
	if err != nil || len(files) != 1 || files[0].Rows != 6 || files[0].Kind != lake.Delta {
		t.Fatalf("%+v %v", files, err)
	}
	path, err := b.cache.Path(context.Background(), files[0])
	if err != nil {
		t.Fatal(err)
	}
	rows, err := delta.ReadAll(path, seen())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(rows)
}
