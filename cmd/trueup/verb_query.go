package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
	"github.com/trueup-data/trueup/stages/review/story"
)

// queryFlags bound a query.
type queryFlags struct {
	describe bool
	format   string
	out      string
	rows     int
	timeout  time.Duration
	commit   uint64
}

func (c *cli) queryCommand() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{Use: "query [SQL]", Args: oneStatement,
		Short: "Ask the lake anything, read-only; without SQL a prompt, or SQL from standard input; --describe [VIEW] lists what there is",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.describe {
				return c.describeViews(cmd.Context(), args)
			}
			if err := f.check(c.json()); err != nil {
				return err
			}
			return c.doQuery(cmd.Context(), args, f)
		}}
	cmd.Flags().BoolVar(&f.describe, "describe", false, "say what the views are, or what the columns of one view mean")
	cmd.Flags().StringVar(&f.format, "format", "", choice(queryFormats())+"; default table, or json with --output json")
	cmd.Flags().StringVar(&f.out, "out", "", "write the answer to this file, whole or not at all; a Parquet file needs it")
	cmd.Flags().IntVar(&f.rows, "rows", 100_000, "at most so many rows")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "at most so long")
	cmd.Flags().Uint64Var(&f.commit, "commit", 0, "as of this commit; default the newest")
	return cmd
}

func queryFormats() []string { return []string{"table", "csv", "json", "parquet"} }

// check fills the format in and refuses what cannot be.
func (f *queryFlags) check(json bool) error {
	if f.format == "" {
		f.format = map[bool]string{true: "json", false: "table"}[json]
	}
	help := "trueup query --help"
	switch {
	case !oneOf(f.format, queryFormats()):
		return &usageError{err: fmt.Errorf("--format is %q; it can be %s", f.format, choice(queryFormats())), help: help}
	case f.format == "parquet" && f.out == "":
		return &usageError{err: errors.New("a Parquet file is not for a terminal"), help: "add --out FILE.parquet"}
	case f.rows < 1 || f.timeout <= 0:
		return &usageError{err: errors.New("--rows and --timeout are more than 0"), help: help}
	}
	return nil
}

// doQuery answers the statement of the command line or of standard input, or
// those that a person types.
func (c *cli) doQuery(ctx context.Context, args []string, f queryFlags) (err error) {
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if terminal := c.terminal(); len(args) == 0 && terminal != nil {
		return c.prompt(ctx, a, terminal, f)
	}
	statement, err := c.statement(args)
	if err != nil {
		return err
	}
	return c.ask(ctx, a, statement, f)
}

// statement is the argument, or standard input.
func (c *cli) statement(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	text, err := io.ReadAll(c.in)
	if err != nil {
		return "", fmt.Errorf("read the statement: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return "", &usageError{err: errors.New("there is no statement, neither as argument nor on standard input"), help: "trueup query --describe"}
	}
	return string(text), nil
}

// bundle is what the process that runs a query gets to see: files on this
// machine, and nothing of the store, the project or the environment.
type bundle struct {
	Sources   []story.Source         `json:"sources"`
	Files     map[string][]lake.File `json:"files"`  // by table
	Paths     map[string]string      `json:"paths"`  // by key of the file
	Folder    string                 `json:"folder"` // for temporary files
	Statement string                 `json:"statement"`
	Format    string                 `json:"format"`
	Rows      int                    `json:"rows"`
	Timeout   time.Duration          `json:"timeout_ns"`
}

// ask brings the files of every view here and runs the statement in a child
// process with an empty environment. Its answer goes to standard output, or to a
// file that is there whole or not at all.
func (c *cli) ask(ctx context.Context, a *app, statement string, f queryFlags) error {
	b, release, err := a.gather(ctx, f.commit)
	if err != nil {
		return err
	}
	defer release()
	b.Statement, b.Format, b.Rows, b.Timeout = statement, f.format, f.rows, f.timeout
	if f.out == "" {
		return child(ctx, b, c.out)
	}
	file, err := os.CreateTemp(filepath.Dir(f.out), ".trueup-query-*")
	if err != nil {
		return &usageError{err: fmt.Errorf("--out: %w", err), help: "name a file in a folder that can be written"}
	}
	defer os.Remove(file.Name()) // it is gone when it was renamed
	if err := errors.Join(child(ctx, b, file), file.Chmod(0o644), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), f.out); err != nil {
		return &usageError{err: fmt.Errorf("--out: %w", err), help: "name a file in a folder that can be written"}
	}
	return nil
}

// child runs a bundle in a process of its own.
func child(ctx context.Context, b bundle, out io.Writer) error {
	input, err := json.Marshal(b)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	process := exec.CommandContext(ctx, self, "query-worker", "--output", "json") //nolint:gosec // this very program
	process.Env, process.Dir = []string{}, b.Folder
	process.Stdin, process.Stdout = bytes.NewReader(input), out
	var stderr bytes.Buffer
	process.Stderr = &stderr
	if err := process.Run(); err != nil {
		return relay(ctx, stderr.Bytes(), err)
	}
	return nil
}

// relay passes on what the process that ran a query reported as its last line.
func relay(ctx context.Context, stderr []byte, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "query", errors.New("interrupted")).WithCode(fault.CodeQueryTime).WithNote("a query changes nothing")
	}
	lines := bytes.Split(bytes.TrimSpace(stderr), []byte("\n"))
	var e relayed
	if json.Unmarshal(lines[len(lines)-1], &e.failure) != nil || e.failure.Error == "" {
		return fault.New(fault.Permanent, "query", fmt.Errorf("its process ended: %w: %s", err, bytes.TrimSpace(stderr))).WithCode(fault.CodeQueryTime).
			WithHelp("narrow it: a process that ends like this had too little memory, or DuckDB failed").WithNote("a query changes nothing")
	}
	e.failure.Error = "query: " + e.failure.Error
	return &e
}

// gather pins a commit and brings its files here.
func (a *app) gather(ctx context.Context, seq uint64) (bundle, func(), error) {
	b := bundle{Sources: story.Sources(a.project), Files: map[string][]lake.File{}, Paths: map[string]string{}, Folder: filepath.Join(a.work, "tmp")}
	pin, err := a.pin(ctx, seq)
	if err != nil {
		return b, nil, err
	}
	release := func() { _ = pin.Release(context.WithoutCancel(ctx)) }
	for _, v := range b.Sources {
		files, err := pin.Snapshot().Files(ctx, v.Table.Name)
		if err != nil {
			release()
			return b, nil, err
		}
		for _, f := range files {
			if b.Paths[f.Key], err = a.cache.Path(ctx, f); err != nil {
				release()
				return b, nil, err
			}
		}
		b.Files[v.Table.Name] = files
	}
	return b, release, nil
}

func (a *app) pin(ctx context.Context, seq uint64) (*lake.Pin, error) {
	if seq == 0 {
		return a.lake.PinHead(ctx)
	}
	head, err := a.lake.Head(ctx)
	if err != nil {
		return nil, err
	}
	if newest := head.Commit().Seq; seq > newest {
		return nil, &usageError{err: fmt.Errorf("there is no commit %d yet; the newest is %d", seq, newest), help: fmt.Sprintf("trueup query --commit %d ...", newest)}
	}
	return a.lake.Pin(ctx, seq)
}

// snapshot and paths of a bundle, as the engine wants them.
func (b *bundle) snapshot() duck.Snapshot { return bundleFiles{b} }

type bundleFiles struct{ b *bundle }

// Files lists the files of a table.
func (f bundleFiles) Files(_ context.Context, table string) ([]lake.File, error) {
	return f.b.Files[table], nil
}

// Path is where the parent process put a file.
func (f bundleFiles) Path(_ context.Context, file lake.File) (string, error) {
	return f.b.Paths[file.Key], nil
}
