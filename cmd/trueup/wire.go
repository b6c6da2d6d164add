package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/open"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/connector"
	"github.com/trueup-data/trueup/stages/connector/postgres"
	"github.com/trueup-data/trueup/stages/connector/rest"
	"github.com/trueup-data/trueup/stages/extract"
	"github.com/trueup-data/trueup/stages/load"
	"github.com/trueup-data/trueup/stages/run"
)

// app is a project, opened: everything that the stages need, composed here and
// nowhere else. Close it.
type app struct {
	project *config.Project
	log     *slog.Logger
	store   store.Store
	lake    *lake.Lake
	engine  *duck.Engine
	cache   *delta.Cache
	work    string // folder for the cache and temporary files
	sources map[pipeline.StreamID]extract.Source
	targets map[pipeline.StreamID]load.Target
	closers []func() error

	databases map[string]*postgres.Client // by system: its streams share connections
	apis      map[string]*rest.Client     // the same
}

// openApp loads the project, opens its lake and the engine. Connectors are made
// by connect, for the verbs that talk to systems.
func (c *cli) openApp(ctx context.Context) (*app, error) {
	project, err := c.loadProject()
	if err != nil {
		return nil, err
	}
	return c.openProject(ctx, project, c.logger())
}

// openProject opens the lake and the engine of a project that is loaded.
func (c *cli) openProject(ctx context.Context, project *config.Project, log *slog.Logger) (*app, error) {
	a, err := c.storeOf(ctx, project, log)
	if err != nil {
		return nil, err
	}
	if a.lake, err = lake.Open(ctx, a.store, lakeOptions(a)); err != nil {
		return nil, errors.Join(storeTrouble("open the lake of project "+a.project.Name, err), a.Close())
	}
	if err := a.openEngine(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// loadProject reads the project file and learns its secrets.
func (c *cli) loadProject() (*config.Project, error) {
	project, err := config.Load(c.flags.project, c.env, connector.Known())
	if project != nil {
		c.secrets.Add(project.Secrets...)
	}
	if err != nil {
		return nil, &projectError{err}
	}
	return project, nil
}

// openStore loads the project and opens its store.
func (c *cli) openStore(ctx context.Context) (*app, error) {
	project, err := c.loadProject()
	if err != nil {
		return nil, err
	}
	return c.storeOf(ctx, project, c.logger())
}

func (c *cli) storeOf(ctx context.Context, project *config.Project, log *slog.Logger) (*app, error) {
	a := &app{project: project, log: log, work: filepath.Join(projectDir(c.flags.project), ".trueup")}
	var err error
	if a.store, err = open.Open(ctx, project.Store, open.Options{Dir: projectDir(c.flags.project), Log: a.log}); err != nil {
		return nil, storeTrouble("open the store of project "+project.Name, err)
	}
	return a, nil
}

// storeTrouble says of a store that cannot be used what every verb may say then:
// it is the first thing that is opened.
func storeTrouble(what string, err error) error {
	e := fault.New(fault.KindOf(err), what, err).WithHelp(fault.HelpOf(err)).WithNote(fault.NoteOf(err)).WithCode(cmp.Or(fault.CodeOf(err), fault.CodeStoreFailed))
	if e.Help == "" {
		e.Help = "see whether the store is up and its URL right: trueup doctor"
	}
	if e.Note == "" {
		e.Note = "no system was asked, and nothing was written"
	}
	return e
}

func lakeOptions(a *app) lake.Options {
	return lake.Options{Now: time.Now, NewID: newID, Log: a.log, LeaseTTL: a.project.Lease}
}

func newID() string { return ulid.Make().String() }

// openEngine starts DuckDB over a checked local cache of the lake's files.
func (a *app) openEngine() error {
	for _, d := range []string{"cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(a.work, d), 0o700); err != nil {
			return fmt.Errorf("make the working folder: %w", err)
		}
	}
	var err error
	if a.cache, err = delta.NewCache(filepath.Join(a.work, "cache"), a.store, delta.CacheOptions{MaxBytes: 20 << 30}); err != nil {
		return err
	}
	a.engine, err = duck.Open(duck.Options{TempDir: filepath.Join(a.work, "tmp"), Files: a.cache})
	if err == nil {
		a.closers = append(a.closers, a.engine.Close)
	}
	return err
}

// connect makes a source and a target for every stream. All streams of a system
// share one gate: its limits hold for readers and writers together. waits is told
// what requests wait for; it may be nil.
func (a *app) connect(figures *observe.Figures, secrets *observe.Redactor, waits func(pace.Wait)) error {
	a.sources, a.targets = map[pipeline.StreamID]extract.Source{}, map[pipeline.StreamID]load.Target{}
	gates := map[string]*pace.Gate{}
	for _, system := range a.project.Systems {
		l := system.Limits
		figures.Declare(system.Name)
		gates[system.Name] = pace.New(pace.Options{System: system.Name, RequestsPerSecond: l.RequestsPerSecond, Burst: l.Burst,
			Concurrency: l.Concurrency, Adaptive: l.Adaptive, Meter: figures, Waits: waits, Log: a.log})
	}
	for _, e := range a.project.Entities {
		for _, s := range e.Streams {
			system, _ := a.project.System(s.System)
			if err := a.connectStream(system, e, s, gates[s.System], secrets); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *app) connectStream(system config.System, e config.Entity, s config.Stream, gate *pace.Gate, secrets *observe.Redactor) error {
	id := streamOf(e, s)
	switch system.Connector {
	case "rest":
		made, err := a.connectREST(system, e, s, rest.Deps{Gate: gate, Redact: secrets, Log: a.log})
		if err != nil {
			return err
		}
		a.sources[id], a.targets[id] = made, made
	case "postgres":
		made, err := a.connectPostgres(system, e, s, postgres.Deps{Gate: gate, Redact: secrets, Log: a.log})
		if err != nil {
			return err
		}
		a.sources[id], a.targets[id] = made, made
	default:
		return fmt.Errorf("%s: no connector is named %q", id, system.Connector)
	}
	return nil
}

// connectREST makes a stream over the connections and tokens of its system.
func (a *app) connectREST(system config.System, e config.Entity, s config.Stream, deps rest.Deps) (*rest.Stream, error) {
	deps.Client = a.apis[system.Name]
	if deps.Client == nil {
		client, err := rest.NewClient(system, deps)
		if err != nil {
			return nil, err
		}
		if a.apis == nil {
			a.apis = map[string]*rest.Client{}
		}
		deps.Client, a.apis[system.Name] = client, client
		a.closers = append(a.closers, func() error { client.Close(); return nil })
	}
	return rest.New(system, e, s, deps)
}

// connectPostgres makes a stream over the connections of its system.
func (a *app) connectPostgres(system config.System, e config.Entity, s config.Stream, deps postgres.Deps) (*postgres.Stream, error) {
	deps.Client = a.databases[system.Name]
	if deps.Client == nil {
		client, err := postgres.NewClient(system, deps)
		if err != nil {
			return nil, err
		}
		if a.databases == nil {
			a.databases = map[string]*postgres.Client{}
		}
		deps.Client, a.databases[system.Name] = client, client
		a.closers = append(a.closers, func() error { client.Close(); return nil })
	}
	return postgres.New(system, e, s, deps)
}

// job is what stages/run needs.
func (a *app) job() run.Job {
	return run.Job{Project: a.project, Lake: a.lake, Engine: a.engine, WriterAt: a.writerAt, Sources: a.sources, Targets: a.targets,
		Now: time.Now, Log: a.log}
}

// writerAt makes files under an epoch; what is written enters the cache.
func (a *app) writerAt(table tables.Table, epoch uint64) *delta.Writer {
	return delta.NewWriter(delta.Destination{Store: a.store, Cache: a.cache, TempDir: filepath.Join(a.work, "tmp"),
		Key: func() string { return a.lake.NewDataKey(table.Name, epoch) }}, table, delta.Options{})
}

// Close ends everything that openApp and connect opened.
func (a *app) Close() error {
	var errs []error
	for _, close := range a.closers {
		errs = append(errs, close())
	}
	return errors.Join(errs...)
}
