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
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/validate"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{Use: "init", Short: "Write a project file, try the store, make the first commit; may be repeated", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.doInit(cmd.Context()) }}
}

// doInit may be repeated: what is there stays.
func (c *cli) doInit(ctx context.Context) (err error) {
	wrote, err := c.writeStarter()
	if err != nil {
		return err
	}
	a, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if a.lake, err = lake.Init(ctx, a.store, lakeOptions(a)); err != nil {
		return storeTrouble("make the lake of project "+a.project.Name, err)
	}
	if c.json() {
		return c.printJSON(map[string]any{"project": a.project.Name, "store": a.store.URL(), "wrote": wrote})
	}
	c.say("the store %s keeps its promises, and holds the lake of project %s", a.store.URL(), a.project.Name)
	c.say("next: trueup validate")
	return nil
}

// writeStarter writes a project file where there is none, and keeps the working
// folder out of version control. It gives the files that it wrote.
func (c *cli) writeStarter() (wrote []string, err error) {
	wrote = []string{}
	path := c.flags.project
	if _, err := os.Stat(path); err == nil {
		return wrote, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, &projectError{fmt.Errorf("look for the project file: %w", err)}
	}
	if err := os.WriteFile(path, starter, 0o600); err != nil {
		return nil, fault.New(fault.Permanent, "write the project file", err).WithHelp("let the process write there, or name another with --project").WithNote("nothing was written")
	}
	wrote = append(wrote, path)
	if !c.json() {
		c.say("wrote %s: two systems to begin from", path)
	}
	ignore := filepath.Join(filepath.Dir(path), ".gitignore")
	added, err := ignoreWork(ignore)
	if err != nil {
		return nil, fmt.Errorf("write .gitignore: %w", err)
	}
	if added {
		wrote = append(wrote, ignore)
	}
	return wrote, nil
}

// ignoreWork adds the working folder to a .gitignore, unless it is there.
func ignoreWork(path string) (added bool, err error) {
	const line = ".trueup/"
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	for l := range strings.Lines(string(old)) {
		if slices.Contains([]string{line, "/" + line, ".trueup", "/.trueup"}, strings.TrimSpace(l)) {
			return false, nil
		}
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	return true, os.WriteFile(path, append(old, line+"\n"...), 0o600) //nolint:gosec // beside the project file that the user named; an existing file keeps its mode
}

func (c *cli) validateCommand() *cobra.Command {
	sample := 0
	cmd := &cobra.Command{Use: "validate", Short: "Check the project file: keys, types, and every expression", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample < 0 {
				return &usageError{err: fmt.Errorf("--sample %d: a number of records", sample), help: "trueup validate --sample 1000"}
			}
			if err := c.doValidate(cmd.Context(), sample > 0); err != nil || sample == 0 {
				return err
			}
			return c.doSample(cmd.Context(), sample)
		}}
	cmd.Flags().IntVar(&sample, "sample", 0, "try what every system would show of so many real records")
	return cmd
}

// doValidate checks the file. In JSON it says nothing by itself where a sample follows.
func (c *cli) doValidate(ctx context.Context, sampled bool) error {
	project, err := c.loadProject()
	if err != nil {
		return err
	}
	if err := validate.Check(ctx, project); err != nil {
		return &projectError{err}
	}
	systems, entities, streams := len(project.Systems), len(project.Entities), 0
	for _, e := range project.Entities {
		streams += len(e.Streams)
	}
	if c.json() && sampled {
		return nil
	}
	if c.json() {
		return c.printJSON(map[string]any{"project": project.Name, "valid": true, "systems": systems, "entities": entities, "streams": streams})
	}
	c.say("%s: %s, %s, %s: every key, type and expression holds", project.Name, plural(int64(systems), "system", "systems"),
		plural(int64(entities), "entity", "entities"), plural(int64(streams), "stream", "streams"))
	return nil
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "The version of this program and of DuckDB", Args: noArguments,
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
