package run_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/faulty"
	"github.com/trueup-data/trueup/pipeline/store/file"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/connector"
	"github.com/trueup-data/trueup/stages/connector/rest"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/run"
)

// house is everything that outlives a process: the world with its two systems
// behind real HTTP, the store, the project file, and the clock.
type house struct {
	*world.World
	t       testing.TB
	hazard  *hazard
	store   store.Store // as the machine has it, without faults
	project *config.Project
	secrets *observe.Redactor
	log     *slog.Logger
	dir     string
	cache   int // number of the folder of the cache: a machine that died takes its folder along
	ttl     time.Duration
	runs    int
	counted map[string][2]int      // by step: the most operations of one life, of the store and of HTTP
	kinds   map[string][2][]string // the operations of the last life of each step, by kind
	done    map[string]bool        // what people did while a process worked

	mu   sync.Mutex
	last time.Time
}

// setup shapes a house. Its zero value is a small world over a file store.
type setup struct {
	world world.Options
	store store.Store // nil: a file store in a folder of its own
	log   io.Writer   // nil: nothing is logged
	ttl   time.Duration
	edit  func(project string) string                      // of the project file
	front func(system string, h http.Handler) http.Handler // stands before a system
}

func newHouse(t testing.TB, s setup) *house {
	t.Helper()
	w, err := world.New(s.world)
	must(t, err)
	h := &house{World: w, t: t, hazard: &hazard{}, store: s.store, dir: t.TempDir(), ttl: s.ttl, counted: map[string][2]int{}, kinds: map[string][2][]string{}, done: map[string]bool{}}
	if h.ttl == 0 {
		h.ttl = 10 * time.Minute
	}
	if h.store == nil {
		h.store, err = file.Open(filepath.Join(h.dir, "store"), file.Options{})
		must(t, err)
	}
	urls := map[string]string{}
	for _, system := range w.Systems() {
		api := w.Handler(system)
		if s.front != nil {
			api = s.front(system, api)
		}
		server := httptest.NewServer(h.hazard.guard(api))
		t.Cleanup(server.Close)
		urls[system] = server.URL
	}
	h.loadProject(s, urls)
	h.secrets = observe.NewRedactor(h.project.Secrets...)
	out := s.log
	if out == nil {
		out = io.Discard
	}
	h.log = slog.New(observe.NewHandler(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}), h.secrets))
	return h
}

// loadProject reads the project file of two systems, with pages so small that a small
// world has several.
func (h *house) loadProject(s setup, urls map[string]string) {
	h.t.Helper()
	name := "bookings.yaml"
	if s.world.Whole {
		name = "trueup.yaml"
	}
	demo, err := os.ReadFile(filepath.Join("..", "..", "cmd", "sandbox", "story", name))
	must(h.t, err)
	text := string(demo)
	text = strings.Replace(text, "param: limit, value: 100", "param: limit, value: 6", 1)
	text = strings.Replace(text, "param: limit, value: 50", "param: limit, value: 4", 1)
	if s.edit != nil {
		text = s.edit(text)
	}
	path := filepath.Join(h.dir, "trueup.yaml")
	must(h.t, os.WriteFile(path, []byte(text), 0o600))
	env := map[string]string{"VOYAGO_USER": "voyago", "VOYAGO_PASSWORD": "token"}
	for system, url := range urls {
		env[strings.ToUpper(system)+"_URL"], env[strings.ToUpper(system)+"_TOKEN"] = url, system+"-token"
	}
	for system, credential := range s.world.Credentials {
		env[strings.ToUpper(system)+"_TOKEN"] = credential
	}
	h.project, err = config.Load(path, func(name string) (string, bool) { v, ok := env[name]; return v, ok }, connector.Known())
	must(h.t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is the world's time, a microsecond later each time that it is asked.
func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.Now()
	if !now.After(h.last) {
		now = h.last.Add(time.Microsecond)
	}
	h.last = now
	return now
}

// wait lets the world's time pass instead of ours. A dead process waits for nothing.
func (h *house) wait(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.hazard.died() {
		return faulty.ErrCrashed
	}
	if d > 0 {
		h.Advance(d + time.Millisecond)
	}
	return nil
}

// sleep is wait for the lake. The one who keeps the lease sleeps until it is
// over: lives of processes are short here.
func (h *house) sleep(ctx context.Context, d time.Duration) error {
	if d == h.ttl/4 {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.wait(ctx, d)
}

func (h *house) lakeOptions() lake.Options {
	return lake.Options{Now: h.clock, Sleep: h.sleep, Log: h.log, LeaseTTL: h.ttl, Parallel: 1,
		Probe: func(context.Context, store.Store) error { return nil }} // the conditions of the store are not what is tested here
}

// process is one life of the program: everything that dies with it.
type process struct {
	*house
	job     run.Job
	store   store.Store
	faults  *faulty.Store
	clients []*rest.Client
	closers []func() error
}

// start composes what cmd composes, over faults. st is what this process sees as
// the store.
func (h *house) start(ctx context.Context, st store.Store) (*process, error) {
	h.hazard.begin()
	return h.compose(ctx, st, h.hazard.operation)
}

// compose makes a process; happens says what becomes of its operations of the store.
func (h *house) compose(ctx context.Context, st store.Store, happens func(faulty.Operation) faulty.Action) (*process, error) {
	p := &process{house: h}
	p.faults = faulty.New(st, happens)
	p.store = store.Retry(p.faults, store.Policy{Sleep: h.wait})
	work := filepath.Join(h.dir, fmt.Sprintf("work-%d", h.cache))
	must(h.t, os.MkdirAll(work, 0o700))
	l, err := lake.Init(ctx, p.store, h.lakeOptions()) // may be repeated, so that every life may be the first
	if err != nil {
		return p, err
	}
	cache, err := delta.NewCache(filepath.Join(work, "cache"), p.store, delta.CacheOptions{})
	must(h.t, err)
	engine, err := duck.Open(duck.Options{Threads: 1, MemoryBytes: 256 << 20, TempDir: work, Files: cache})
	must(h.t, err)
	p.closers = append(p.closers, engine.Close)
	p.job = run.Job{Project: h.project, Lake: l, Engine: engine, Now: h.clock, Log: h.log,
		Sources: map[pipeline.StreamID]extract.Source{}, Targets: map[pipeline.StreamID]load.Target{},
		WriterAt: func(t tables.Table, epoch uint64) *delta.Writer {
			return delta.NewWriter(delta.Destination{Store: p.store, Cache: cache, TempDir: work,
				Key: func() string { return l.NewDataKey(t.Name, epoch) }}, t, delta.Options{})
		}}
	p.connect()
	return p, nil
}

// connect makes the streams, with one gate per system.
func (p *process) connect() {
	clock := pace.Clock{Now: p.clock, Wait: p.wait}
	for _, e := range p.project.Entities {
		for _, s := range e.Streams {
			sys, _ := p.project.System(s.System)
			deps := rest.Deps{Redact: p.secrets, Log: p.log, Now: p.clock, Wait: p.wait, Random: half,
				Gate: pace.New(pace.Options{System: sys.Name, RequestsPerSecond: sys.Limits.RequestsPerSecond, Burst: sys.Limits.Burst,
					Concurrency: sys.Limits.Concurrency, Adaptive: sys.Limits.Adaptive, Clock: clock, Random: half, Log: p.log})}
			client, err := rest.NewClient(sys, deps)
			must(p.t, err)
			p.clients = append(p.clients, client)
			deps.Client = client
			made, err := rest.New(sys, e, s, deps)
			must(p.t, err)
			id := pipeline.StreamID{Entity: e.Name, System: s.System}
			p.job.Sources[id], p.job.Targets[id] = made, made
		}
	}
}

// half is no jitter.
func half() float64 { return 0.5 }

// end closes what a process had. One that died leaves its folder behind, as a
// machine that never comes back does.
func (p *process) end() {
	for _, c := range p.clients {
		c.Close()
	}
	for _, c := range p.closers {
		if err := c(); err != nil {
			p.t.Error(err)
		}
	}
	if p.hazard.died() {
		p.hazard.leave(func() { p.faults.Release(context.WithoutCancel(p.t.Context())) })
		p.cache++
	}
}

// life is one process that does one thing.
func (h *house) life(do func(*process) error) error { return h.lifeOver(h.store, do) }

func (h *house) lifeOver(st store.Store, do func(*process) error) error {
	p, err := h.start(h.t.Context(), st)
	defer p.end()
	if err == nil {
		err = do(p)
	}
	if h.hazard.died() {
		return errors.Join(faulty.ErrCrashed, err) // whatever it says of itself
	}
	return err
}

// once is what people do in the systems while a process works: the next life of it
// finds it done.
func (h *house) once(name string, do func()) {
	if !h.done[name] {
		h.done[name] = true
		do()
	}
}

// beside is a process of a person, to which nothing happens, while another one works.
func (h *house) beside(do func(*process) error) error {
	p, err := h.compose(h.t.Context(), h.store, func(faulty.Operation) faulty.Action { return faulty.Pass })
	if err != nil {
		return err
	}
	err = do(p)
	for _, c := range p.clients {
		c.Close()
	}
	for _, c := range p.closers {
		err = errors.Join(err, c())
	}
	return err
}

// run does one whole run in this process.
func (p *process) run(mode pipeline.Mode) (run.Result, error) {
	p.runs++
	o := run.Options{Mode: mode, Stages: run.All(), ID: pipeline.RunID(fmt.Sprintf("run-%03d", p.runs))}
	return run.Run(p.t.Context(), p.job, o)
}

// hourly does one whole run in a process of its own, an hour later.
func (h *house) hourly(mode pipeline.Mode) run.Result {
	h.t.Helper()
	h.Advance(time.Hour)
	var result run.Result
	must(h.t, h.life(func(p *process) error {
		var err error
		result, err = p.run(mode)
		return err
	}))
	return result
}
