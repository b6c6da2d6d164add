package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/stages/run"
)

// progress tells on standard error how a run goes. On a terminal that is a line
// for each stream that is under way, written over as it goes on and gone at the
// end; elsewhere a plain line when something ends, and all of them every 30
// seconds. It is safe for concurrent use.
type progress struct {
	w    io.Writer
	size func() (width, height int) // of the terminal; nil: there is none
	now  func() time.Time
	stop func() // ends it and leaves the terminal as it was; may be called twice

	mu     sync.Mutex
	off    bool
	active []*activity
	waits  map[string]run.Event // by system
	drawn  int                  // lines on the terminal
	last   time.Time            // when plain lines were written last
}

// activity is a stage of a stream under way.
type activity struct {
	stage, name, system string
	text                string
	rows, total         int64
	before, since       sample // two moments: the rate is that since the first
}

// sample is how many rows there were at a moment.
type sample struct {
	at   time.Time
	rows int64
}

const (
	plainEvery = 30 * time.Second // how often a run tells about itself where nobody watches
	redraw     = time.Second      // so that what is waited for counts down
	rateOver   = 5 * time.Second  // a rate is that of the last 5 to 10 seconds
	barWidth   = 20
)

// progress begins to tell. Call its stop.
func (c *cli) progress() *progress {
	p := newProgress(c.err, time.Now)
	p.off = c.flags.progress == "none" || c.json()
	if f, ok := c.err.(*os.File); ok && c.flags.progress == "auto" && term.IsTerminal(int(f.Fd())) {
		p.size = func() (int, int) {
			width, height, err := term.GetSize(int(f.Fd()))
			if err != nil || width < 1 || height < 1 {
				return 80, 24
			}
			return width, height
		}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for t := time.NewTicker(redraw); ; {
			select {
			case <-end:
				t.Stop()
				return
			case <-t.C:
				p.tick()
			}
		}
	}()
	p.stop = sync.OnceFunc(func() {
		close(end)
		<-ended
		p.finish()
	})
	c.shown = p
	return p
}

func newProgress(w io.Writer, now func() time.Time) *progress {
	return &progress{w: w, now: now, last: now(), waits: map[string]run.Event{}}
}

// wait is notice for what a system is waited for.
func (p *progress) wait(w pace.Wait) {
	p.notice(run.Event{System: w.System, Text: w.Why, Until: w.Until})
}

// notice takes what happened.
func (p *progress) notice(e run.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return
	}
	if e.System != "" {
		if e.Until.After(p.waits[e.System].Until) {
			p.waits[e.System] = e
		}
	} else {
		p.note(e)
	}
	p.show()
}

// tick lets time pass.
func (p *progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off {
		p.show()
	}
}

// note keeps what a stream does now.
func (p *progress) note(e run.Event) {
	name := cmp.Or(e.Entity, e.Stream.Entity)
	if e.Stream.Entity != "" {
		name = e.Stream.String()
	}
	i := slices.IndexFunc(p.active, func(a *activity) bool { return a.stage == string(e.Stage) && a.name == name })
	if e.Done {
		if i >= 0 {
			p.active = slices.Delete(p.active, i, i+1)
		}
		if p.size == nil && !strings.HasPrefix(e.Text, "0 ") {
			fmt.Fprintf(p.w, "%-9s %s: %s\n", e.Stage, name, e.Text)
		}
		return
	}
	now := p.now()
	if i < 0 {
		began := sample{at: now}
		p.active = append(p.active, &activity{stage: string(e.Stage), name: name, system: e.Stream.System, before: began, since: began})
		i = len(p.active) - 1
	}
	p.active[i].goesOn(e, now)
}

func (a *activity) goesOn(e run.Event, now time.Time) {
	a.text, a.rows, a.total = e.Text, e.Rows, e.Total
	if now.Sub(a.since.at) >= rateOver {
		a.before, a.since = a.since, sample{now, a.rows}
	}
}

// show writes the lines again where somebody looks, or now and then where nobody does.
func (p *progress) show() {
	if p.size != nil {
		p.clear()
		p.draw()
		return
	}
	if p.now().Sub(p.last) < plainEvery {
		return
	}
	p.last = p.now()
	for _, a := range p.active {
		fmt.Fprintf(p.w, "%-9s %s: %s\n", a.stage, a.name, strings.Join(p.parts(a), "  "))
	}
}

// clear takes the lines from the terminal.
func (p *progress) clear() {
	if p.drawn > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\r\x1b[J", p.drawn)
		p.drawn = 0
	}
}

// draw writes a line for each activity, as many as fit and none wider than the terminal.
func (p *progress) draw() {
	width, height := p.size()
	name := 0
	for _, a := range p.active {
		name = max(name, len([]rune(a.name)))
	}
	for i, a := range p.active {
		line := fmt.Sprintf("%-9s %-*s  %s", a.stage, name, a.name, strings.Join(p.parts(a), "  "))
		if rest := len(p.active) - i; i == height-2 && rest > 1 {
			line = fmt.Sprintf("... and %d more", rest)
		}
		fmt.Fprintln(p.w, cut(line, width-1))
		if p.drawn++; p.drawn == height-1 {
			return
		}
	}
}

// parts are what a line says: how far it is, how fast, and what it waits for.
func (p *progress) parts(a *activity) []string {
	parts := []string{a.text}
	if a.total > 0 {
		parts = slices.Insert(parts, 0, bar(a.rows, a.total)+" "+count(a.rows)+" of "+count(a.total))
	}
	now := p.now()
	if d := now.Sub(a.before.at).Seconds(); d >= 1 && a.rows > a.before.rows {
		parts = append(parts, count(int64(float64(a.rows-a.before.rows)/d+0.5))+"/s")
	}
	if w, waits := p.waits[a.system]; waits && w.Until.Sub(now) >= time.Second {
		parts = append(parts, waitFor(w, now))
	}
	return parts
}

// waitFor is "429 from airbnb, 12 s".
func waitFor(w run.Event, now time.Time) string {
	return fmt.Sprintf("%s from %s, %d s", w.Text, w.System, int(w.Until.Sub(now).Round(time.Second).Seconds()))
}

// bar is how much of something is done.
func bar(done, all int64) string {
	full := int(min(done, all) * barWidth / all)
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "]"
}

// aside writes something else without mixing it into the lines.
func (p *progress) aside(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	n, err := p.w.Write(text)
	if !p.off && p.size != nil {
		p.draw()
	}
	return n, err
}

// finish leaves the terminal as it was.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.off = true
}

// beside is where the log goes: beside what a run shows of itself.
type beside struct{ c *cli }

// Write writes a line of the log.
func (b beside) Write(text []byte) (int, error) {
	if b.c.shown != nil {
		return b.c.shown.aside(text)
	}
	return b.c.err.Write(text)
}
