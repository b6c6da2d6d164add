// Command trueup keeps the records of a platform true in every system that also
// holds them. This package parses flags, composes the parts in wire.go, calls a
// stage and prints what it gave. It must never decide anything about records.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/trueup-data/trueup/pipeline/observe"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2   // usage or project file
	exitAttention   = 3   // done, and something needs a person
	exitLeaseHeld   = 4   // another run holds the lease
	exitInterrupted = 130 // stopped after a checkpoint
)

func main() { os.Exit(program()) }

// program runs the command line of this process. The first signal asks it to
// stop, the second one ends it at once: what is stored stands all the same.
func program() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv)
}

// cli is what every verb gets: the streams, the environment and the global flags.
type cli struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	flags    flags
	secrets  *observe.Redactor
	shown    *progress // of the run under way; nil: none
}

// flags are the options of every verb.
type flags struct {
	project  string
	output   string
	logLevel string
	progress string
	noColor  bool
}

// execute runs one command line and gives its exit code. It is main without the process.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer, env func(string) (string, bool)) int {
	c := newCLI(in, out, errOut, env)
	root := c.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	return c.report(ctx, err)
}

func newCLI(in io.Reader, out, errOut io.Writer, env func(string) (string, bool)) *cli {
	return &cli{in: in, out: out, err: errOut, env: env, secrets: observe.NewRedactor()}
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "trueup",
		Short:         "Keep the same records true in many systems, and prove it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownVerb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return c.checkFlags()
		},
	}
	p := root.PersistentFlags()
	p.StringVar(&c.flags.project, "project", "trueup.yaml", "the project file, or a folder of them")
	p.StringVar(&c.flags.output, "output", "text", "text or json")
	p.StringVar(&c.flags.logLevel, "log-level", "warn", "debug, info, warn or error")
	p.StringVar(&c.flags.progress, "progress", "auto", "auto, plain or none")
	p.BoolVar(&c.flags.noColor, "no-color", false, "no colours; so does the environment variable NO_COLOR")
	root.AddCommand(c.initCommand(), c.validateCommand(), c.doctorCommand(), c.runCommand(), c.serveCommand(), c.extractCommand(),
		c.reconcileCommand(), c.loadCommand(), c.planCommand(), c.statusCommand(), c.runsCommand(), c.findingsCommand(), c.changesCommand(),
		c.approveCommand(), c.rejectCommand(), c.decideHoldCommand(), c.explainCommand(), c.queryCommand(), c.exportCommand(), c.compactCommand(),
		c.collectCommand(), c.demoCommand(), c.versionCommand(), c.queryWorkerCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, help: cmd.CommandPath() + " --help"}
	})
	return root
}

func (c *cli) checkFlags() error {
	for _, f := range []struct {
		name, value string
		allowed     []string
	}{
		{"--output", c.flags.output, []string{"text", "json"}},
		{"--log-level", c.flags.logLevel, []string{"debug", "info", "warn", "error"}},
		{"--progress", c.flags.progress, []string{"auto", "plain", "none"}},
	} {
		if !oneOf(f.value, f.allowed) {
			return &usageError{err: fmt.Errorf("%s is %q; it can be %s", f.name, f.value, choice(f.allowed)), help: "trueup --help"}
		}
	}
	return nil
}

func oneOf(value string, allowed []string) bool {
	for _, a := range allowed {
		if a == value {
			return true
		}
	}
	return false
}

// attention ends a verb that did its work and found something for a person.
type attention struct{ what string }

func (a *attention) Error() string { return a.what }
