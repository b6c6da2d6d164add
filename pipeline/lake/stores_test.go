package lake_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/file"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/s3"
	"github.com/trueup-data/trueup/pipeline/store/storetest/servers"
)

func onFiles(t testing.TB) store.Store {
	t.Helper()
	st, err := file.Open(t.TempDir(), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func onServer(t testing.TB, s *servers.Server) store.Store {
	t.Helper()
	st, err := s3.Open(t.Context(), s.URL("lake"), s3.Options{Keys: &s3.Keys{AccessKey: s.AccessKey, SecretKey: s.SecretKey}})
	if err != nil {
		t.Fatal(err)
	}
	return store.Retry(st, store.Policy{})
}

func open(t testing.TB, st store.Store) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), st, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestManyWritersOnRealStores: processes that commit at once, beside a collector
// and a compactor, lose and double nothing.
func TestManyWritersOnRealStores(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) store.Store{
		"mem":     func(*testing.T) store.Store { return mem.New() },
		"file":    func(t *testing.T) store.Store { return onFiles(t) },
		"minio":   func(t *testing.T) store.Store { return onServer(t, servers.StartMinIO(t)) },
		"versity": func(t *testing.T) store.Store { return onServer(t, servers.StartVersity(t)) },
	} {
		t.Run(name, func(t *testing.T) { manyWriters(t, start(t)) })
	}
}

const writers, each = 6, 8

func manyWriters(t *testing.T, st store.Store) {
	ctx := t.Context()
	if _, err := lake.Init(ctx, st, lake.Options{}); err != nil {
		t.Fatal(err)
	}
	tenure, err := open(t, st).Begin(ctx, lake.Opening{Run: "r", RunAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for n := range writers {
		l := open(t, st)
		g.Go(func() { write(t, l, st, tenure.Epoch(), n) })
	}
	other := open(t, st)
	g.Go(func() {
		for range 4 {
			if _, err := other.Collect(ctx, lake.Collection{Keep: 3}); err != nil {
				t.Error("collect:", err)
			}
		}
	})
	g.Wait()
	head, err := open(t, st).Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	files, err := head.Files(ctx, "notes")
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]bool{}
	for i, f := range files {
		if tags[f.Tag] || i > 0 && f.Seq <= files[i-1].Seq {
			t.Errorf("file %d: %+v", i, f)
		}
		tags[f.Tag] = true
	}
	if len(tags) != writers*each || head.Seq() != 2+writers*each {
		t.Errorf("%d files in commit %d", len(tags), head.Seq())
	}
}

// write is one process that appends.
func write(t *testing.T, l *lake.Lake, st store.Store, epoch uint64, n int) {
	ctx := t.Context()
	tenure, err := l.Join(ctx, epoch)
	if err != nil {
		t.Error(err)
		return
	}
	c := tenure.Committer("writer")
	for i := range each {
		f := lake.File{Key: tenure.NewDataKey("notes"), Kind: lake.Delta, Rows: 1, Tag: fmt.Sprint(n, "-", i)}
		if _, err := st.Upload(ctx, f.Key, strings.NewReader("x")); err != nil {
			t.Error("upload:", err)
			return
		}
		if _, err := c.Commit(ctx, lake.Step{Stage: "write", Add: lake.Files{"notes": {f}}}); err != nil {
			t.Error("commit:", err)
			return
		}
	}
}

// BenchmarkLakeCommit is commits a second of one table of 32 files by one
// writer. Its yardstick is a bare put-if-absent of the commit's bytes on the
// same store, one after each commit: x_put is the share of that speed.
func BenchmarkLakeCommit(b *testing.B) {
	b.Run("file", func(b *testing.B) { benchmarkCommit(b, onFiles(b)) })
	b.Run("minio", func(b *testing.B) { benchmarkCommit(b, onServer(b, servers.StartMinIO(b))) })
}

func benchmarkCommit(b *testing.B, st store.Store) {
	ctx := context.Background()
	l, err := lake.Init(ctx, st, lake.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tenure, err := l.Begin(ctx, lake.Opening{Run: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	c, head := tenure.Committer("bench"), tenure.Start()
	var commits, puts time.Duration
	n := 0
	for b.Loop() {
		var files []lake.File
		for range 32 { // the lake names files and opens none
			files = append(files, lake.File{Key: tenure.NewDataKey("t"), Kind: lake.Delta, Rows: 1000, SHA256: strings.Repeat("0", 64)})
		}
		start := time.Now()
		head, err = c.Commit(ctx, lake.Step{Stage: "bench", Replace: lake.Files{"t": files}, Basis: map[string]uint64{"t": head.Seq()}})
		commits += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		data, _, err := st.Get(ctx, fmt.Sprintf("log/%020d.json", head.Seq()))
		if err != nil {
			b.Fatal(err)
		}
		n++
		key := fmt.Sprintf("yardstick/%d", n)
		start = time.Now()
		_, err = st.PutIfAbsent(ctx, key, data)
		puts += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(n)/commits.Seconds(), "commits/s")
	b.ReportMetric(puts.Seconds()/commits.Seconds(), "x_put")
}
