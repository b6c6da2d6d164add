package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/trueup-data/trueup/stages/run"
)

// progress tells on standard error how a run goes: on a terminal one line that
// is written over and is gone at the end, else a plain line when something ends
// and every 30 seconds.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int // of the terminal; 0: there is none
	off   bool
	lines map[string]string // what goes on now, by stage and stream
	last  time.Time
	now   func() time.Time
}

func (c *cli) progress() *progress {
	p := &progress{w: c.err, lines: map[string]string{}, now: time.Now, last: time.Now()}
	p.off = c.flags.progress == "none" || c.json()
	if f, ok := c.err.(*os.File); ok && c.flags.progress == "auto" {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
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
	if p.width > 0 {
		p.redraw(string(e.Stage), name, e)
		return
	}
	if e.Done && !strings.HasPrefix(e.Text, "0 ") || p.now().Sub(p.last) >= plainEvery {
		p.last = p.now()
		fmt.Fprintf(p.w, "%-9s %s: %s\n", e.Stage, name, e.Text)
	}
}

// redraw shows everything that goes on, in one line that fits the terminal.
func (p *progress) redraw(stage, name string, e run.Event) {
	key := stage + " " + name
	p.lines[key] = e.Text
	if e.Done {
		delete(p.lines, key)
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(p.lines)) {
		parts = append(parts, k+": "+p.lines[k])
	}
	line := []rune(strings.Join(parts, "   "))
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(line[:min(len(line), p.width-1)]))
}

// stop leaves the terminal as it was.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 && !p.off {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.off = true
}
