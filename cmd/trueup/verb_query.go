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
	"strings"
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
	rows     int
	timeout  time.Duration
	commit   uint64
}

func (c *cli) queryCommand() *cobra.Command {
	var f queryFlags
	cmd := &cobra.Command{Use: "query [SQL]", Short: "Ask the lake anything, read-only; --describe lists what there is", Args: oneStatement,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.describe {
				return c.describeViews()
			}
			statement, err := c.statement(args)
			if err != nil {
				return err
			}
			return c.doQuery(cmd.Context(), statement, f)
		}}
	cmd.Flags().BoolVar(&f.describe, "describe", false, "list the views and their columns")
	cmd.Flags().StringVar(&f.format, "format", "", "table, csv or json; default table, or json with --output json")
	cmd.Flags().IntVar(&f.rows, "rows", 100_000, "at most so many rows")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "at most so long")
	cmd.Flags().Uint64Var(&f.commit, "commit", 0, "as of this commit; default the newest")
	return cmd
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

func (c *cli) describeViews() error {
	project, err := c.loadProject()
	if err != nil {
		return err
	}
	views := story.Views(project)
	if c.json() {
		return c.printJSON(views)
	}
	for _, v := range views {
		c.say("%s: %s\n    %s", v.Name, v.Shows, strings.Join(v.Columns(), ", "))
	}
	return nil
}

// bundle is what the process that runs a query gets to see: files on this
// machine, and nothing of the store, the project or the environment.
type bundle struct {
	Views     []story.View           `json:"views"`
	Files     map[string][]lake.File `json:"files"`  // by table
	Paths     map[string]string      `json:"paths"`  // by key of the file
	Folder    string                 `json:"folder"` // for temporary files
	Statement string                 `json:"statement"`
	Format    string                 `json:"format"`
	Rows      int                    `json:"rows"`
	Timeout   time.Duration          `json:"timeout_ns"`
}

// doQuery brings the files of every view here and runs the statement in a child
// process with an empty environment.
func (c *cli) doQuery(ctx context.Context, statement string, f queryFlags) (err error) {
	if f.format == "" {
		f.format = map[bool]string{true: "json", false: "table"}[c.json()]
	}
	if !oneOf(f.format, []string{"table", "csv", "json"}) {
		return &usageError{err: fmt.Errorf("--format is %q; it can be table, csv or json", f.format), help: "trueup query --help"}
	}
	a, err := c.openApp(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, release, err := a.gather(ctx, f.commit)
	if err != nil {
		return err
	}
	defer release()
	b.Statement, b.Format, b.Rows, b.Timeout = statement, f.format, f.rows, f.timeout
	input, err := json.Marshal(b)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	child := exec.CommandContext(ctx, self, "query-worker", "--output", "json") //nolint:gosec // this very program
	child.Env, child.Dir = []string{}, b.Folder
	child.Stdin, child.Stdout = bytes.NewReader(input), c.out
	var stderr bytes.Buffer
	child.Stderr = &stderr
	if err := child.Run(); err != nil {
		return relay(ctx, stderr.Bytes(), err)
	}
	return nil
}

// relay passes on what the process that ran a query reported as its last line.
func relay(ctx context.Context, stderr []byte, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "query", errors.New("interrupted")).WithNote("a query changes nothing")
	}
	lines := bytes.Split(bytes.TrimSpace(stderr), []byte("\n"))
	var e relayed
	if json.Unmarshal(lines[len(lines)-1], &e.failure) != nil || e.failure.Error == "" {
		return fault.New(fault.Permanent, "query", fmt.Errorf("its process ended: %w: %s", err, bytes.TrimSpace(stderr))).
			WithHelp("narrow it: a process that ends like this had too little memory, or DuckDB failed").WithNote("a query changes nothing")
	}
	e.failure.Error = "query: " + e.failure.Error
	return &e
}

// gather pins a commit and brings its files here.
func (a *app) gather(ctx context.Context, seq uint64) (bundle, func(), error) {
	b := bundle{Views: story.Views(a.project), Files: map[string][]lake.File{}, Paths: map[string]string{}, Folder: filepath.Join(a.work, "tmp")}
	pin, err := a.pin(ctx, seq)
	if err != nil {
		return b, nil, err
	}
	release := func() { _ = pin.Release(context.WithoutCancel(ctx)) }
	for _, v := range b.Views {
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
