package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/lake"
)

// projectError says that the project file cannot be used.
type projectError struct{ err error }

func (e *projectError) Error() string { return e.err.Error() }
func (e *projectError) Unwrap() error { return e.err }

// failure is an error as programs get it: one JSON object on standard error.
type failure struct {
	Error    string    `json:"error"`
	Help     string    `json:"help,omitempty"`
	Note     string    `json:"note,omitempty"`
	Code     string    `json:"code,omitempty"`
	ExitCode int       `json:"exit_code"`
	Problems []problem `json:"problems,omitempty"` // of the project file, in file order
}

// problem is one mistake in the project file.
type problem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	What   string `json:"what"`
	Help   string `json:"help,omitempty"`
}

// relayed is a failure that a child process reported.
type relayed struct{ failure }

func (e *relayed) Error() string { return e.failure.Error }

// report prints an error the way every verb does: what, where and why on the
// first line, then help: and note:. It gives the exit code.
func (c *cli) report(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	var needs *attention
	if errors.As(err, &needs) {
		return exitAttention
	}
	f := c.failureOf(ctx, err)
	if c.json() {
		line, marshalErr := json.Marshal(f)
		if marshalErr == nil {
			fmt.Fprintln(c.err, string(line))
			return f.ExitCode
		}
	}
	c.printFailure(f)
	return f.ExitCode
}

func (c *cli) printFailure(f failure) {
	for _, p := range f.Problems {
		fmt.Fprintf(c.err, "error: %s: %s\n", fault.Place{File: p.File, Line: p.Line, Column: p.Column}, p.What)
		if p.Help != "" {
			fmt.Fprintf(c.err, "  help: %s\n", p.Help)
		}
	}
	if len(f.Problems) == 0 {
		fmt.Fprintf(c.err, "error: %s\n", f.Error)
	}
	if f.Help != "" {
		fmt.Fprintf(c.err, "help: %s\n", f.Help)
	}
	if f.Note != "" {
		fmt.Fprintf(c.err, "note: %s\n", f.Note)
	}
	if f.Code != "" && f.Code != fault.CodeUsage { // of a slip of the pen there is no more to say
		fmt.Fprintf(c.err, "code: %s\n", codeHelp(f.Code))
	}
}

// failureOf is what an error says to people and programs, without secrets.
func (c *cli) failureOf(ctx context.Context, err error) failure {
	var child *relayed
	if errors.As(err, &child) {
		return child.failure
	}
	f := failure{Error: c.secrets.Text(explained(err)), Code: codeOf(err), ExitCode: exitCode(ctx, err)}
	f.Help, f.Note = advice(err)
	f.Help, f.Note = c.secrets.Text(f.Help), c.secrets.Text(f.Note)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			f.Problems = append(f.Problems, c.problemOf(p))
		}
	}
	return f
}

func (c *cli) problemOf(p *fault.Error) problem {
	what := p.Op
	if p.Err != nil {
		what += fmt.Sprintf(" (%v)", p.Err)
	}
	return problem{File: p.Where.File, Line: p.Where.Line, Column: p.Where.Column, What: c.secrets.Text(what), Help: c.secrets.Text(p.Help)}
}

// codeOf is the code of an error, from the closed list.
func codeOf(err error) string {
	var usage *usageError
	var project *projectError
	switch code := fault.CodeOf(err); {
	case code != "":
		return code
	case errors.As(err, &usage):
		return fault.CodeUsage
	case errors.As(err, &project):
		return fault.CodeProjectFile
	}
	return ""
}

// codeHelp names a code and says how to learn what it means.
func codeHelp(code string) string { return code + " (trueup explain " + code + ")" }

func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	var project *projectError
	switch {
	case errors.As(err, &usage), errors.As(err, &project):
		return exitUsage
	case errors.Is(err, lake.ErrLeaseHeld):
		return exitLeaseHeld
	case ctx.Err() != nil:
		return exitInterrupted
	default:
		return exitFailed
	}
}

// advice is the next command, and what is safe.
func advice(err error) (help, note string) {
	var usage *usageError
	var problems config.Problems
	switch {
	case errors.As(err, &usage):
		return usage.help, fault.NoteOf(err)
	case errors.As(err, &problems):
		return "trueup validate", "the project file is read first: no system was asked, and nothing was written"
	case errors.Is(err, lake.ErrNoLake):
		return "trueup init", "nothing was read or written"
	case errors.Is(err, lake.ErrLeaseHeld):
		return "wait for the other run, or see it with: trueup status", "this run did nothing"
	}
	return fault.HelpOf(err), fault.NoteOf(err)
}

// why is an error without what the lines around it say already: the first error
// of the chain that has a place.
func why(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Where != (fault.Place{}) {
		return f.Error()
	}
	return err.Error()
}
