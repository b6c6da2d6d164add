// Package stagetest gives tests of stages a lake, an engine and a system that
// keeps the truth, all in this process. Only tests import it. It must never be
// more forgiving than the real thing.
package stagetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// Clock is a clock that only tests move. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)} }

// Now gives the time, a microsecond later each time it is asked, so that no two
// events are at once.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Microsecond)
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Bench is a lake with its engine. A process that died is a new Bench over the
// same store.
type Bench struct {
	Store  store.Store
	Lake   *lake.Lake
	Engine *duck.Engine
	Cache  *delta.Cache
	Clock  *Clock
	Log    *slog.Logger
	dir    string
	ids    int
}

// New makes a Bench over a store of its own in memory.
func New(t testing.TB) *Bench { return Over(t, mem.New(), NewClock()) }

// Over makes a Bench over a store, and a lake in it where there is none.
func Over(t testing.TB, st store.Store, clock *Clock) *Bench {
	t.Helper()
	b := &Bench{Store: st, Clock: clock, dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var err error
	o := lake.Options{Now: clock.Now, Log: b.Log, Sleep: func(context.Context, time.Duration) error { return nil },
		Probe: func(context.Context, store.Store) error { return nil }}
	if b.Lake, err = lake.Init(t.Context(), st, o); err != nil {
		t.Fatal(err)
	}
	if b.Cache, err = delta.NewCache(filepath.Join(b.dir, "cache"), st, delta.CacheOptions{}); err != nil {
		t.Fatal(err)
	}
	if b.Engine, err = duck.Open(duck.Options{Threads: 1, Files: b.Cache}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Engine.Close() })
	return b
}

// Begin opens a tenure.
func (b *Bench) Begin(t testing.TB) *lake.Tenure {
	t.Helper()
	b.ids++
	tenure, err := b.Lake.Begin(t.Context(), lake.Opening{Run: fmt.Sprintf("run-%03d", b.ids), RunAt: b.Clock.Now(), Project: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return tenure
}

// Writer makes files under a tenure's epoch.
func (b *Bench) Writer(tenure *lake.Tenure) func(tables.Table) *delta.Writer {
	return func(t tables.Table) *delta.Writer {
		return delta.NewWriter(delta.Destination{Store: b.Store, Cache: b.Cache, TempDir: b.dir,
			Key: func() string { return tenure.NewDataKey(t.Name) }}, t, delta.Options{})
	}
}

// Query runs a statement over the head and gives its rows as text, cells between
// bars. The tables are bound under their last name: "replica/bookings/pms" is pms.
func (b *Bench) Query(t testing.TB, statement string, current ...tables.Table) []string {
	t.Helper()
	head, err := b.Lake.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	session, err := b.Engine.Session(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, table := range current {
		name := table.Name[strings.LastIndex(table.Name, "/")+1:]
		if err := session.Current(t.Context(), table, name); err != nil {
			t.Fatal(err)
		}
		if err := session.Rows(t.Context(), table, "all_"+name); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := session.Query(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		cells := make([]string, len(values))
		for i, v := range values {
			cells[i] = fmt.Sprint(v)
		}
		out = append(out, strings.Join(cells, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
