package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/trueup-data/trueup/stages/run"
)

// progress tells on standard error how a run goes: one line that is written over
// on a terminal, else a plain line when something ends and every 30 seconds.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	off      bool
	lines    map[string]string
	last     time.Time
	now      func() time.Time
}

func (c *cli) progress() *progress {
	p := &progress{w: c.err, lines: map[string]string{}, now: time.Now, last: time.Now()}
	p.off = c.flags.progress == "none" || c.json()
	if f, ok := c.err.(*os.File); ok && c.flags.progress == "auto" {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	return p
}

// plainEvery is how often a run tells about itself where nobody watches.
const plainEvery = 30 * time.Second

func (p *progress) notice(e run.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return
	}
	name := e.Entity
	if e.Stream.Entity != "" {
		name = e.Stream.String()
	}
	line := fmt.Sprintf("%-9s %s  %s", e.Stage, name, e.Text)
	switch {
	case p.terminal && e.Done:
		fmt.Fprintf(p.w, "\r\x1b[K%s\n", line)
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	case e.Done || p.now().Sub(p.last) >= plainEvery:
		p.last = p.now()
		fmt.Fprintln(p.w, line)
	}
}

// stop leaves the terminal as it was.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal && !p.off {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
