package run_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/schemas"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/run"
	"github.com/trueup-data/trueup/stages/stagetest"
)

const (
	bigRecords = 200_000
	bigDelta   = 100
)

// big is two systems that hold the same many records, over a store that counts.
type big struct {
	t       *testing.T
	clock   *stagetest.Clock
	store   *store.Counter
	lake    *lake.Lake
	project *config.Project
	sys     map[string]*stagetest.System
	runs    int
}

func newBig(t *testing.T) *big {
	b := &big{t: t, clock: stagetest.NewClock(), store: store.Count(mem.New()), sys: map[string]*stagetest.System{}}
	text, amount := schemas.Type{Kind: schemas.String}, schemas.Type{Kind: schemas.Decimal, Precision: 12, Scale: 2}
	e := config.Entity{Name: "bookings", Key: []string{"code"},
		Fields:  []config.EntityField{{Name: "code", Type: text}, {Name: "guest", Type: text}, {Name: "price", Type: amount}},
		Guards:  config.Guards{MaxChanges: config.Limit{Percent: 50, AtLeast: 1000}, MaxDeletes: config.Limit{Percent: 50, AtLeast: 1000}, Window: time.Hour},
		Resolve: config.Resolve{Default: config.Rule{Authority: []string{"pms", "air"}}, Deletes: config.DeleteRule{Authority: []string{"pms"}, AgainstUpdate: "hold"}}}
	b.project = &config.Project{Name: "big", Hash: "big", Lease: time.Minute, Checkpoint: config.CheckpointEvery{Records: 50_000, Bytes: 64 << 20, Every: time.Hour}}
	for _, name := range []string{"pms", "air"} {
		s := stagetest.NewSystem(name, b.clock)
		s.By, s.PageSize = pipeline.ByPrecondition, 10_000
		for i := range bigRecords {
			s.Put(fmt.Sprint(i), map[string]string{"code": fmt.Sprintf("K%07d", i), "guest": fmt.Sprintf("Guest %d", i*7919%bigRecords), "price": fmt.Sprintf("%d.50", i%997)})
		}
		b.sys[name] = s
		e.Streams = append(e.Streams, config.Stream{System: name,
			Extract: config.Extract{PrimaryKey: []string{"id"}, Fields: stagetest.Fields(), Version: "updated_at", Absence: true,
				Incremental: &config.IncrementalRead{CursorField: "updated_at"}},
			Write: &config.Write{Create: true, Update: true, Delete: true, Precondition: true, Fields: []config.Mapping{
				{Name: "code", Expr: config.Expr{SQL: "code"}}, {Name: "guest", Expr: config.Expr{SQL: "guest"}}, {Name: "price", Expr: config.Expr{SQL: "price"}}}}})
		b.project.Systems = append(b.project.Systems, config.System{Name: name, Connector: "rest",
			Limits: config.Limits{RequestsPerSecond: 1000, Concurrency: 1, Timeout: time.Second}})
	}
	b.project.Entities = []config.Entity{e}
	var err error
	b.lake, err = lake.Init(t.Context(), b.store, b.options())
	must(t, err)
	return b
}

func (b *big) options() lake.Options {
	return lake.Options{Now: b.clock.Now, LeaseTTL: time.Hour, Probe: func(context.Context, store.Store) error { return nil },
		Sleep: func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }} // nobody waits here but the one who keeps the lease
}

// footprint is what a run asked of the outside and of the store.
type footprint struct {
	run.Result
	store.Figures
	pages, sends int
}

func (b *big) asked() (pages, sends int) {
	for _, s := range b.sys {
		pages += s.PageReads
		sends += s.Sends
	}
	return pages, sends
}

// run does one run in a process of its own, whose cache is in dir.
func (b *big) run(mode pipeline.Mode, dir string) footprint {
	b.t.Helper()
	b.clock.Advance(time.Hour)
	b.runs++
	cache, err := delta.NewCache(filepath.Join(dir, "cache"), b.store, delta.CacheOptions{})
	must(b.t, err)
	engine, err := duck.Open(duck.Options{Threads: 2, MemoryBytes: 1 << 30, TempDir: dir, Files: cache})
	must(b.t, err)
	defer func() { must(b.t, engine.Close()) }()
	job := run.Job{Project: b.project, Lake: b.lake, Engine: engine, Now: b.clock.Now, Log: slog.New(slog.DiscardHandler),
		Sources: map[pipeline.StreamID]extract.Source{}, Targets: map[pipeline.StreamID]load.Target{},
		WriterAt: func(t tables.Table, epoch uint64) *delta.Writer {
			return delta.NewWriter(delta.Destination{Store: b.store, Cache: cache, TempDir: dir,
				Key: func() string { return b.lake.NewDataKey(t.Name, epoch) }}, t, delta.Options{})
		}}
	for name, s := range b.sys {
		id := pipeline.StreamID{Entity: "bookings", System: name}
		job.Sources[id], job.Targets[id] = s, s
	}
	b.store.Reset()
	pages, sends := b.asked()
	result, err := run.Run(b.t.Context(), job, run.Options{Mode: mode, Stages: run.All(), Yes: true, ID: pipeline.RunID(fmt.Sprintf("run-%03d", b.runs))})
	must(b.t, err)
	f := footprint{Result: result, Figures: b.store.Total()}
	f.pages, f.sends = b.asked()
	f.pages, f.sends = f.pages-pages, f.sends-sends
	return f
}

func (b *big) change(run int) {
	for i := range bigDelta {
		b.sys["pms"].Put(fmt.Sprint((i*1999+run)%bigRecords), map[string]string{"price": fmt.Sprintf("%d.25", 1000+run)})
	}
}

// live is the size of all data files of the head.
func (b *big) live() (bytes int64) {
	head, err := b.lake.Head(b.t.Context())
	must(b.t, err)
	for _, table := range head.Tables() {
		files, err := head.Files(b.t.Context(), table)
		must(b.t, err)
		for _, f := range files {
			bytes += f.SizeBytes
		}
	}
	return bytes
}

// manifests are the tables of the head with what tells whether they changed.
func (b *big) manifests() map[string]lake.ManifestRef {
	head, err := b.lake.Head(b.t.Context())
	must(b.t, err)
	return maps.Clone(head.Commit().Tables)
}

func changed(before, after map[string]lake.ManifestRef) []string {
	var names []string
	for name, ref := range after {
		if before[name] != ref {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A hundred changes among two hundred thousand records: what is asked of the
// sources, sent, read from the store and written to it follows the hundred. A new
// machine reads the live files, once. A sweep that finds nothing writes the list
// of what it saw.
func TestBytesFollowTheDelta(t *testing.T) {
	b := newBig(t)
	home := t.TempDir()
	do := func(name string, mode pipeline.Mode, dir string) footprint {
		f := b.run(mode, dir)
		t.Logf("%s: %d pages, %d sends, %d calls of the store, %d bytes read, %d written", name, f.pages, f.sends, f.Calls, f.BytesRead, f.BytesWritten)
		if f.Attention() {
			t.Fatalf("%s: %s", name, figures(f.Result))
		}
		return f
	}
	first := do("first sweep", pipeline.Sweep, home)
	if first.sends != 0 || first.Reconciled[0].Golden != bigRecords {
		t.Fatalf("both systems hold the same: %s", figures(first.Result))
	}
	live := b.live()
	t.Logf("%d bytes in live files", live)
	const commits = 64 << 10 // bytes of what every run writes and reads: commits, manifests, its own row

	quiet := do("nothing changed", pipeline.Incremental, home)
	within(t, "quiet", quiet, footprint{pages: 2, Figures: store.Figures{BytesRead: commits, BytesWritten: commits}})

	b.change(1)
	warm := do("a hundred changes", pipeline.Incremental, home)
	within(t, "warm", warm, footprint{pages: 4, sends: bigDelta, Figures: store.Figures{BytesRead: commits, BytesWritten: commits + bigDelta*2500}})
	if warm.sends != bigDelta || warm.Reconciled[0].Looked != bigDelta {
		t.Errorf("a hundred changes: %s", figures(warm.Result))
	}
	do("their answers", pipeline.Incremental, home)

	b.change(2)
	cold := do("a hundred changes on a new machine", pipeline.Incremental, t.TempDir())
	within(t, "cold", cold, footprint{pages: 4, sends: bigDelta, Figures: store.Figures{BytesRead: b.live() + commits, BytesWritten: warm.BytesWritten * 5 / 4}})
	do("their answers", pipeline.Incremental, home)

	before := b.manifests()
	sweep := do("an unchanged sweep", pipeline.Sweep, home)
	if sweep.sends != 0 || sweep.Reconciled[0].Looked != 0 || sweep.BytesRead > commits || sweep.BytesWritten > 2*bigRecords*24 {
		t.Errorf("an unchanged sweep: %s; %d keys were looked at", figures(sweep.Result), sweep.Reconciled[0].Looked)
	}
	if got, want := changed(before, b.manifests()), []string{"checkpoints", "metrics", "runs", "sweep/bookings/air", "sweep/bookings/pms"}; !slices.Equal(got, want) {
		t.Errorf("an unchanged sweep wrote %v, not only %v", got, want)
	}
}

// within fails where a run asked for more than most.
func within(t *testing.T, name string, f, most footprint) {
	t.Helper()
	if f.pages > most.pages || f.sends > most.sends || f.BytesRead > most.BytesRead || f.BytesWritten > most.BytesWritten {
		t.Errorf("%s: at most %d pages, %d sends, %d bytes read, %d written", name, most.pages, most.sends, most.BytesRead, most.BytesWritten)
	}
}
