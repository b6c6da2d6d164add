package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/stages/validate"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{Use: "init", Short: "Write a project file, try the store, make the first commit; may be repeated", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doInit(cmd.Context()) }}
}

func (c *cli) doInit(ctx context.Context) error {
	if err := c.writeStarter(); err != nil {
		return err
	}
	a, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer a.Close()
	if a.lake, err = lake.Init(ctx, a.store, lakeOptions(a)); err != nil {
		return fmt.Errorf("make the lake in %s: %w", a.store.URL(), err)
	}
	c.say("the store %s keeps its promises, and holds the lake of project %s", a.store.URL(), a.project.Name)
	c.say("next: trueup validate")
	return nil
}

// writeStarter writes a project file and a .gitignore where there are none.
func (c *cli) writeStarter() error {
	path := c.flags.project
	if _, err := os.Stat(path); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for the project file: %w", err)
	}
	if err := os.WriteFile(path, starter, 0o600); err != nil {
		return fmt.Errorf("write the project file: %w", err)
	}
	c.say("wrote %s: two systems to begin from", path)
	ignore := filepath.Join(filepath.Dir(path), ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte(".trueup/\n"), 0o600); err != nil {
			return fmt.Errorf("write .gitignore: %w", err)
		}
	}
	return nil
}

func (c *cli) validateCommand() *cobra.Command {
	return &cobra.Command{Use: "validate", Short: "Check the project file: keys, types, and every expression", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			project, err := c.loadProject()
			if err != nil {
				return err
			}
			if err := validate.Check(cmd.Context(), project); err != nil {
				return err
			}
			streams := 0
			for _, e := range project.Entities {
				streams += len(e.Streams)
			}
			c.say("%s: %d systems, %d entities, %d streams: every key, type and expression holds", project.Name,
				len(project.Systems), len(project.Entities), streams)
			return nil
		}}
}

func (c *cli) doctorCommand() *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Try the store, the lake and every system; changes nothing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doDoctor(cmd.Context()) }}
}

// doDoctor tries one thing after the other and says what each gave.
func (c *cli) doDoctor(ctx context.Context) (err error) {
	a, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	var failed []error
	check := func(what string, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what, err))
			c.say("failed  %s: %s", what, c.secrets.Text(err.Error()))
			return
		}
		c.say("ok      %s", what)
	}
	check("project file "+c.flags.project, validate.Check(ctx, a.project))
	check("store "+a.store.URL()+" keeps its promises to 32 writers at once", store.Probe(ctx, a.store, "probe/"))
	_, err = lake.Open(ctx, a.store, lakeOptions(a))
	check("lake", err)
	if err := a.connect(observe.NewFigures(), c.secrets); err != nil {
		check("connectors", err)
	}
	for _, e := range a.project.Entities {
		for _, s := range e.Streams {
			id := streamOf(e, s)
			if source := a.sources[id]; source != nil {
				_, err := source.Partitions(ctx)
				check("system "+id.String()+" answers", err)
			}
			for _, w := range writeWarnings(a, e, s) {
				c.say("note    %s", w)
			}
		}
	}
	return errors.Join(failed...)
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "The version of this program and of DuckDB", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions()
			if c.json() {
				return c.printJSON(v)
			}
			c.say("trueup %s (%s, DuckDB %s)", v["trueup"], v["go"], v["duckdb"])
			return nil
		}}
}

func versions() map[string]string {
	v := map[string]string{"trueup": "devel", "go": runtime.Version(), "duckdb": "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v["trueup"] = info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == "github.com/duckdb/duckdb-go/v2" {
			v["duckdb"] = duckVersion(d.Version)
		}
	}
	return v
}

// duckVersion reads the engine's version out of its driver's: v2.10506.0 has DuckDB 1.5.6.
func duckVersion(driver string) string {
	var major, packed int
	if _, err := fmt.Sscanf(driver, "v%d.%d", &major, &packed); err != nil {
		return driver
	}
	return fmt.Sprintf("%d.%d.%d", packed/10000, packed/100%100, packed%100)
}

// starter is the project file that init writes.
//
//go:embed starter.yaml
var starter []byte
