//go:build duckdb_arrow

package duck

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// realLake is a lake with real files, into which a table's rows come in deltas.
type realLake struct {
	*lake.Lake
	t      *testing.T
	st     *mem.Store
	cache  *delta.Cache
	engine *Engine
	tenure *lake.Tenure
	by     *lake.Committer
}

func newRealLake(t *testing.T) *realLake {
	st := mem.New()
	probed := lake.Options{Probe: func(context.Context, store.Store) error { return nil }}
	l, err := lake.Init(t.Context(), st, probed)
	if err != nil {
		t.Fatal(err)
	}
	r := &realLake{Lake: l, t: t, st: st}
	if r.cache, err = delta.NewCache(filepath.Join(t.TempDir(), "cache"), st, delta.CacheOptions{}); err != nil {
		t.Fatal(err)
	}
	if r.engine, err = Open(Options{TempDir: t.TempDir(), Files: r.cache, MemoryBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.engine.Close() })
	if r.tenure, err = l.Begin(t.Context(), lake.Opening{Run: "r"}); err != nil {
		t.Fatal(err)
	}
	r.by = r.tenure.Committer("c")
	return r
}

func (r *realLake) writer(t tables.Table, epoch uint64) Writer {
	return delta.NewWriter(delta.Destination{Store: r.st, Cache: r.cache, TempDir: r.t.TempDir(),
		Key: func() string { return r.NewDataKey(t.Name, epoch) }}, t, delta.Options{})
}

// add commits a delta of checkpoints: one per partition, with a text of its own.
func (r *realLake) add(n int) {
	r.t.Helper()
	t := tables.Checkpoints()
	rows := delta.NewRows(t)
	for p := range 3 {
		rows.Text("cursor").Text("b").Text("s").Text(fmt.Sprint("p", p)).Text(fmt.Sprintf("%d.%d", n, p))
		for range len(t.Columns) - 5 {
			rows.Null()
		}
	}
	batch := rows.Batch()
	defer batch.Release()
	w := delta.NewWriter(delta.Destination{Store: r.st, Cache: r.cache, TempDir: r.t.TempDir(),
		Key: func() string { return r.tenure.NewDataKey(t.Name) }}, t, delta.Options{})
	if err := w.Write(batch); err != nil {
		r.t.Fatal(err)
	}
	files, err := w.Close(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.by.Commit(r.t.Context(), lake.Step{Stage: "test", Add: lake.Files{t.Name: files}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realLake) ask(view func(*Session) error, statement string) []string {
	r.t.Helper()
	head, err := r.Head(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	s := begin(r.t, r.engine, head)
	if err := view(s); err != nil {
		r.t.Fatal(err)
	}
	return ask(r.t, s, statement)
}

func TestACompactedTableInALakeHoldsTheSameAndGoesOn(t *testing.T) {
	r := newRealLake(t)
	table := tables.Checkpoints()
	current := func() []string {
		return r.ask(func(s *Session) error { return s.Current(t.Context(), table, "it") },
			"SELECT partition, cursor_literal FROM it ORDER BY ALL")
	}
	every := func() []string {
		return r.ask(func(s *Session) error { return s.Rows(t.Context(), table, "it") },
			"SELECT partition, cursor_literal FROM it ORDER BY partition, _seq, _ord, _pos")
	}
	policy := lake.CompactionPolicy{MaxDeltas: 2}
	for n := range 3 {
		r.add(n)
	}
	for n := 3; n < 6; n++ {
		now, all := current(), every()
		in, out, err := r.engine.Compact(t.Context(), r, table, ^uint64(0), policy, r.writer)
		if err != nil {
			t.Fatal(err)
		}
		if n == 3 && (in != 3 || out != 2) {
			t.Errorf("%d files became %d", in, out)
		}
		if d := gocmp.Diff([][]string{now, all}, [][]string{current(), every()}); d != "" {
			t.Fatalf("round %d (-before +after):\n%s", n, d)
		}
		r.add(n)
	}
	in, _, err := r.engine.Compact(t.Context(), r, table, ^uint64(0), lake.CompactionPolicy{MaxDeltas: 9}, r.writer)
	if err != nil || in != 0 {
		t.Errorf("%d files were compacted though the policy allows them: %v", in, err)
	}
	if got := current(); len(got) != 3 || got[0] != "p0|5.0" {
		t.Errorf("at the end: %v", got)
	}
}

func TestAFoldThatReadFewerRowsThanItsInputsHaveMakesNothing(t *testing.T) {
	f := newFixture(t)
	table := foldTables()[1]
	f.add(table, lake.Delta, 1, [][]any{{hashOf("a"), "a", "", "p"}})
	f.files[table.Name][0].Rows = 2
	plan := lake.Compaction{Table: table.Name, Inputs: f.files[table.Name], Fold: true}
	if made, err := open(t, f, Options{}).Fold(t.Context(), table, plan, 1, f.writer()); err == nil || made != nil {
		t.Fatalf("made %v, %v", made, err)
	}
}
