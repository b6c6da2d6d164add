package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/trueup-data/trueup/stages/review/story"
)

// lines is where a prompt reads: a line editor with the history of its session.
type lines interface {
	// ReadLine gives a line without its end; io.EOF: there is no more.
	ReadLine(prompt string) (string, error)
}

// console is a terminal as a line editor. It is raw only while a line is typed.
type console struct {
	file   *os.File
	editor *term.Terminal
}

// terminal is the console of this process, or nil where nobody can type.
func (c *cli) terminal() lines {
	in, isFile := c.in.(*os.File)
	if !isFile || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return &console{file: in, editor: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, c.err}, "")}
}

// ReadLine lets a person type a line; the arrow keys bring earlier ones back.
func (t *console) ReadLine(prompt string) (string, error) {
	state, err := term.MakeRaw(int(t.file.Fd()))
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(t.file.Fd()), state) }()
	if width, height, err := term.GetSize(int(t.file.Fd())); err == nil {
		_ = t.editor.SetSize(width, height)
	}
	t.editor.SetPrompt(prompt)
	line, err := t.editor.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

const (
	promptFirst = "trueup> "
	promptMore  = "   ...> "
	promptHelp  = "SQL ends with ;   .views lists what there is   .schema VIEW says what its columns mean   .quit leaves"
)

// conversation is a prompt under way.
type conversation struct {
	*cli
	views func() ([]story.View, error)
	ask   func(statement string) error
}

// prompt answers what a person types, each statement in a process of its own. A
// mistake is told and ends nothing.
func (c *cli) prompt(ctx context.Context, a *app, from lines, f queryFlags) error {
	talk := conversation{cli: c,
		views: func() ([]story.View, error) { return c.viewsOf(ctx, a.project) },
		ask:   func(statement string) error { return c.ask(ctx, a, statement, f) }}
	fmt.Fprintln(c.err, promptHelp)
	return talk.run(ctx, from)
}

func (t conversation) run(ctx context.Context, from lines) error {
	statement := ""
	for ctx.Err() == nil {
		prompt := promptFirst
		if statement != "" {
			prompt = promptMore
		}
		line, err := from.ReadLine(prompt)
		if errors.Is(err, io.EOF) {
			if statement == "" {
				return nil
			}
			statement = "" // ^C and ^D give up what was begun, and leave where nothing was
			continue
		}
		if err != nil {
			return err
		}
		if statement == "" && strings.HasPrefix(strings.TrimSpace(line), ".") {
			if quit := t.command(ctx, strings.Fields(line)); quit {
				return nil
			}
			continue
		}
		if statement = strings.TrimLeft(statement+line+"\n", " \t\n"); strings.HasSuffix(strings.TrimSpace(line), ";") {
			t.told(ctx, t.ask(strings.TrimSpace(statement)))
			statement = ""
		}
	}
	return context.Cause(ctx)
}

// told prints what was wrong.
func (t conversation) told(ctx context.Context, err error) {
	if err != nil {
		t.printFailure(t.failureOf(ctx, err))
	}
}

// command does what begins with a dot.
func (t conversation) command(ctx context.Context, words []string) (quit bool) {
	views, err := t.views()
	switch words[0] {
	case ".quit", ".exit":
		return true
	case ".help":
		t.say("%s", promptHelp)
	case ".views":
		if err == nil {
			t.printViews(views, false)
		}
		t.told(ctx, err)
	case ".schema":
		if len(words) != 2 {
			err = &usageError{err: errors.New(".schema needs a view"), help: ".views lists them"}
		}
		var v story.View
		if err == nil {
			if v, err = viewNamed(views, words[1]); err == nil {
				t.printColumns(v)
			}
		}
		t.told(ctx, err)
	default:
		t.told(ctx, &usageError{err: fmt.Errorf("there is no command %s", words[0]), help: promptHelp})
	}
	return false
}
