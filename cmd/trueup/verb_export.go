package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/stages/review/story"
)

// exportFlags say what is exported, and whereto.
type exportFlags struct {
	out    string
	format string
	views  []string
	commit uint64
}

func (c *cli) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{Use: "export", Short: "Write the views into files of your own: a DuckDB database, Parquet or CSV", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return c.doExport(cmd.Context(), f)
		}}
	cmd.Flags().StringVar(&f.out, "out", "", "the file FILE.duckdb, or the folder for Parquet and CSV; it is not there yet")
	cmd.Flags().StringVar(&f.format, "format", "", choice(duck.Forms())+"; default by --out: duckdb, or parquet for a folder")
	cmd.Flags().StringSliceVar(&f.views, "view", nil, "only these; default all of trueup query --describe")
	cmd.Flags().Uint64Var(&f.commit, "commit", 0, "as of this commit; default the newest")
	return cmd
}

// check fills the format in and refuses what cannot be.
func (f *exportFlags) check() error {
	help := "trueup export --out FILE.duckdb, or --out FOLDER --format csv"
	if f.out == "" {
		return &usageError{err: errors.New("export needs --out"), help: help}
	}
	if f.format == "" {
		f.format = string(duck.AsParquet)
		if filepath.Ext(f.out) == ".duckdb" {
			f.format = string(duck.AsDuckDB)
		}
	}
	if !oneOf(f.format, duck.Forms()) {
		return &usageError{err: fmt.Errorf("--format is %q; it can be %s", f.format, choice(duck.Forms())), help: help}
	}
	return nil
}

// exportReport is what export gives to programs.
type exportReport struct {
	Commit uint64          `json:"commit"`
	Out    string          `json:"out"`
	Format string          `json:"format"`
	Views  []duck.Exported `json:"views"`
}

// doExport writes the views of one commit, which is pinned meanwhile.
func (c *cli) doExport(ctx context.Context, f exportFlags) (err error) {
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	pin, err := a.pin(ctx, f.commit)
	if err != nil {
		return err
	}
	defer func() { _ = pin.Release(context.WithoutCancel(ctx)) }() // it ends by itself
	session, err := a.engine.Session(ctx, pin.Snapshot())
	if err != nil {
		return err
	}
	defer session.Close()
	sources := story.Sources(a.project)
	if err := story.Bind(ctx, session, sources); err != nil {
		return err
	}
	names, err := chosen(ctx, session, sources, f.views)
	if err != nil {
		return err
	}
	r := exportReport{Commit: pin.Snapshot().Commit().Seq, Out: f.out, Format: f.format}
	if r.Views, err = session.Export(ctx, names, duck.Form(f.format), f.out); err != nil {
		return err
	}
	if c.json() {
		return c.printJSON(r)
	}
	for _, v := range r.Views {
		c.say("exported %-30s %s", v.Name, plural(v.Rows, "row", "rows"))
	}
	c.say("%s as of commit %d, in %s", plural(int64(len(r.Views)), "view", "views"), r.Commit, f.out)
	return nil
}

// chosen are the views that are wanted: all, or those of the command line.
func chosen(ctx context.Context, session *duck.Session, sources []story.Source, wanted []string) ([]string, error) {
	views, err := story.Describe(ctx, session, sources)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, v := range views {
		all = append(all, v.Name)
	}
	for _, name := range wanted {
		if oneOf(name, all) {
			continue
		}
		e := &usageError{err: fmt.Errorf("there is no view %q", name), help: "trueup query --describe"}
		if near := config.Nearest(name, all); near != "" {
			e.help = "perhaps " + near + " was meant; trueup query --describe"
		}
		return nil, e
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	return all, nil
}
