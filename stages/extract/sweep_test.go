package extract_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/stagetest"
)

// mortal is the small system in a process that can die while it reads, with pages
// that are points to go on from.
type mortal struct {
	*stagetest.System
	mu     sync.Mutex
	asked  []string // "partition mode run" of each read that begins
	pages  int      // that were handed on, all in all
	dies   int      // after this page; 0: never
	die    func()
	loose  bool   // pages are no points to go on from
	letter string // partition whose first page has a record without an ID
}

func (m *mortal) Read(ctx context.Context, req pipeline.ReadRequest, yield func(pipeline.Batch) error) (pipeline.End, error) {
	if ctx.Err() != nil {
		return pipeline.End{}, ctx.Err()
	}
	m.mu.Lock()
	m.asked = append(m.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", req.Partition.Name, req.Mode, req.Run)))
	m.mu.Unlock()
	skip, n := 0, 0
	if req.Mode == pipeline.Sweep && !m.loose {
		if run, page, ok := strings.Cut(req.From.Page, "/"); ok && run == string(req.Run) {
			_, _ = fmt.Sscan(page, &skip)
		}
	}
	return m.System.Read(ctx, req, func(b pipeline.Batch) error {
		if n++; n <= skip {
			b.Rows.Release()
			return nil
		}
		if n == 1 && m.letter == req.Partition.Name {
			b.Dead = []pipeline.DeadLetter{{Partition: req.Partition.Name, Reason: "no ID", Payload: "?", AskedAt: m.Clock.Now()}}
		}
		if !m.loose {
			b.Checkpoint.Page = fmt.Sprintf("%s/%d", req.Run, n)
		}
		m.mu.Lock()
		m.pages++
		last := m.pages == m.dies
		m.mu.Unlock()
		if err := yield(b); err != nil {
			return err
		}
		if last {
			m.die()
			return ctx.Err()
		}
		return nil
	})
}

// reads are the partitions that were asked for since it was last asked.
func (m *mortal) reads() []string {
	out := m.asked
	m.asked = nil
	return out
}

// parted is a world of partitions a to c with four records each, two pages of two.
func parted(t *testing.T) (*world, *mortal) {
	w := newWorld(t)
	w.sys.PageSize = 2
	for _, part := range []string{"a", "b", "c"} {
		w.sys.Parts = append(w.sys.Parts, pipeline.Partition{Name: part, Params: map[string]string{"part": part}})
		for i := range 4 {
			id := fmt.Sprintf("%s%d", part, i)
			w.sys.PartOf[id] = part
			w.sys.Put(id, map[string]string{"code": "hm" + id, "guest": "Ana", "price": "100.00"})
		}
	}
	return w, &mortal{System: w.sys}
}

// sweep is one run, which dies where the source says.
func (w *world) sweep(t *testing.T, m *mortal) (extract.Result, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.die = cancel
	tenure := w.Begin(t)
	w.runs++
	w.Clock.Advance(time.Minute)
	return extract.Run(ctx, extract.Deps{Lake: w.Lake, Tenure: tenure, Engine: w.Engine, Writer: w.Writer(tenure), Now: w.Clock.Now, Log: w.Log},
		extract.Request{Run: pipeline.RunID(fmt.Sprintf("run-%03d", w.runs)), RunAt: w.Clock.Now(), Mode: pipeline.Sweep, Entity: w.entity, Stream: w.stream,
			Fingerprint: w.scope, Every: config.CheckpointEvery{Records: 2, Bytes: 1 << 20, Every: time.Hour}, Concurrency: 1, Source: m})
}

func (w *world) lives(t *testing.T, m *mortal) extract.Result {
	t.Helper()
	r, err := w.sweep(t, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// dies sweeps until some pages were handed on, counted from now.
func (w *world) dies(t *testing.T, m *mortal, pages int) {
	t.Helper()
	m.dies = m.pages + pages
	if _, err := w.sweep(t, m); !errors.Is(err, context.Canceled) {
		t.Fatalf("it did not die: %v", err)
	}
	m.dies = 0
}

func TestASweepThatDiedGoesOnWithWhatItHadNotRead(t *testing.T) {
	w, m := parted(t)
	w.lives(t, m)
	w.sys.Remove("a1")
	w.dies(t, m, 4) // a shows one page of two and one of one, b both
	w.sys.Remove("b1")
	m.reads()
	r := w.lives(t, m)
	if r.State != extract.Complete || r.Resumed != 1 {
		t.Fatalf("%+v", r)
	}
	// What is done is caught up from its cursor; b had not said that it was at its end.
	want(t, m.reads(), "a incremental run-003", "b sweep run-002", "c sweep run-002")
	gone := func() []string {
		return w.Query(t, "SELECT _id, _op FROM pms WHERE _op <> 'upsert' ORDER BY _id", w.replica())
	}
	want(t, gone(), "a1|delete") // b1 was seen by this sweep: the next one misses it
	w.lives(t, m)
	want(t, gone(), "a1|delete", "b1|delete")
	want(t, m.reads(), "a sweep run-004", "b sweep run-004", "c sweep run-004")
}

func TestTheListOfASweepIsOneOverAllItsRuns(t *testing.T) {
	w, m := parted(t)
	w.lives(t, m)
	w.dies(t, m, 2)
	w.dies(t, m, 2)
	r := w.lives(t, m)
	if r.State != extract.Complete {
		t.Fatalf("%+v", r)
	}
	want(t, w.Query(t, "SELECT _run, count(DISTINCT _id) FROM all_pms GROUP BY _run ORDER BY _run", seen(w)), "run-001|12", "run-002|12")
	want(t, w.Query(t, "SELECT last_id, proven FROM checkpoints WHERE kind = 'swept'", tables.Checkpoints()), "run-002|true")
}

func seen(w *world) tables.Table {
	return tables.SweepSeen(pipeline.StreamID{Entity: w.entity.Name, System: w.stream.System})
}

// Wherever a process dies, the sweep after it ends as one that never died, and
// reads at most one interval again.
func TestADeathAnywhereInASweepCostsAtMostOneInterval(t *testing.T) {
	whole, m := parted(t)
	whole.lives(t, m)
	want, all := whole.shown(t), m.pages
	for page := 1; page <= all; page++ {
		w, m := parted(t)
		w.dies(t, m, page)
		r := w.lives(t, m)
		if got := w.shown(t); r.State != extract.Complete || !slices.Equal(got, want) {
			t.Errorf("died at page %d: %s, and then\n%s", page, r.State, strings.Join(got, "\n"))
		}
		// A partition that is caught up shows the records of its last instant again.
		if again := m.pages - all; again > 1+r.Resumed {
			t.Errorf("died at page %d: %d pages were read again", page, again)
		}
	}
}

func TestASweepBeginsAnewWhereItWouldNotReadTheSame(t *testing.T) {
	for name, change := range map[string]func(w *world, m *mortal){
		"another scope":     func(w *world, _ *mortal) { w.scope = "scope-2" },
		"another partition": func(w *world, _ *mortal) { w.sys.Parts = append(w.sys.Parts, pipeline.Partition{Name: "d"}) },
		"other parameters":  func(w *world, _ *mortal) { w.sys.Parts[1].Params = map[string]string{"part": "B"} },
		"a day later":       func(w *world, _ *mortal) { w.Clock.Advance(24 * time.Hour) },
		"nothing compares": func(w *world, _ *mortal) {
			w.stream.Extract.Incremental, w.stream.Write = nil, &config.Write{Verify: "none"}
		},
		"a page cannot wait": func(_ *world, m *mortal) { m.loose = true },
	} {
		t.Run(name, func(t *testing.T) {
			w, m := parted(t)
			w.lives(t, m)
			w.dies(t, m, 3)
			m.reads()
			change(w, m)
			r := w.lives(t, m)
			if r.State != extract.Complete || name != "a page cannot wait" && r.Resumed != 0 {
				t.Errorf("%+v", r)
			}
			for _, part := range []string{"a", "b", "c"} {
				if part == "a" && name == "a page cannot wait" {
					continue
				}
				if ids := w.Query(t, "SELECT DISTINCT _id FROM all_pms WHERE partition = '"+part+"' AND _run = (SELECT max(_run) FROM all_pms)", seen(w)); len(ids) != 4 {
					t.Errorf("of %s this sweep saw %v", part, ids)
				}
			}
		})
	}
}

// A stream without a cursor cannot be caught up. What was read of it stands where
// every write is compared with the record anyway.
func TestWithoutACursorWhatWasReadIsNotReadAgain(t *testing.T) {
	w, m := parted(t)
	w.stream.Extract.Incremental = nil
	w.lives(t, m)
	w.dies(t, m, 5)
	m.reads()
	if r := w.lives(t, m); r.State != extract.Complete || r.Resumed != 2 || len(r.Partitions) != 3 || r.Partitions[0].Rows != 4 {
		t.Errorf("%+v", r)
	}
	want(t, m.reads(), "c sweep run-002")
}

// A record that names no ID makes its partition unproven, also if the process
// that met it died and another one read the rest.
func TestWhatIsUnprovenStaysSoOverADeath(t *testing.T) {
	w, m := parted(t)
	w.lives(t, m)
	w.sys.Remove("c3")
	m.letter = "c"
	w.dies(t, m, 5) // the first page of c
	m.letter = ""
	r := w.lives(t, m)
	if r.State != extract.Partial || r.Partitions[2].Proven || !strings.Contains(r.Partitions[2].Reason, "carries no ID") {
		t.Errorf("%+v", r)
	}
	if gone := w.Query(t, "SELECT _id FROM pms WHERE _op <> 'upsert'", w.replica()); len(gone) != 0 {
		t.Errorf("taken for gone: %v", gone)
	}
}

// A sweep that ends says so, however it ends, and one that needs no marks leaves none.
func TestASweepThatEndedIsNotGoneOnWith(t *testing.T) {
	w, m := parted(t)
	w.sys.FailPage = 2
	if r := w.lives(t, m); r.State != extract.Partial && r.State != extract.Failed {
		t.Fatalf("%+v", r)
	}
	w.sys.FailPage = 0
	m.reads()
	w.lives(t, m)
	want(t, m.reads(), "a sweep run-002", "b sweep run-002", "c sweep run-002")

	small := newWorld(t)
	small.fill(1)
	small.pass(t, pipeline.Sweep)
	want(t, small.Query(t, "SELECT kind FROM checkpoints ORDER BY kind", tables.Checkpoints()), "cursor", "scope")
}
