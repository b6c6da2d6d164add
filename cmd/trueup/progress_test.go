package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/stages/run"
)

// screen is a terminal that only knows what progress uses: lines, up, and clear
// to the end.
type screen struct {
	lines []string
	raw   int
}

func (s *screen) Write(text []byte) (int, error) {
	s.raw += len(text)
	rest := string(text)
	up := regexp.MustCompile(`^\x1b\[(\d+)A\r\x1b\[J`)
	for rest != "" {
		if m := up.FindStringSubmatch(rest); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil || n > len(s.lines) {
				return 0, fmt.Errorf("%q goes above the first line of %q", m[0], s.lines)
			}
			s.lines, rest = s.lines[:len(s.lines)-n], rest[len(m[0]):]
			continue
		}
		line, after, whole := strings.Cut(rest, "\n")
		if !whole || strings.Contains(line, "\x1b") {
			return 0, fmt.Errorf("%q is no line", rest)
		}
		s.lines, rest = append(s.lines, line), after
	}
	return len(text), nil
}

// watched is a progress on a terminal of so many columns and lines, at a clock
// that only the test moves.
func watched(width, height int) (*progress, *screen, *time.Time) {
	s, now := &screen{}, time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	p := newProgress(s, func() time.Time { return now })
	p.size = func() (int, int) { return width, height }
	return p, s, &now
}

func of(stage run.Stage, system string, rows, total int64, text string) run.Event {
	return run.Event{Stage: stage, Stream: pipeline.StreamID{Entity: "bookings", System: system}, Rows: rows, Total: total, Text: text}
}

func (s *screen) shows(t *testing.T, lines ...string) {
	t.Helper()
	if got, want := strings.Join(s.lines, "\n"), strings.Join(lines, "\n"); got != want {
		t.Errorf("it shows\n%s\nand not\n%s", got, want)
	}
}

func TestATerminalHasALineForEachStreamWithItsRateAndWhatItWaitsFor(t *testing.T) {
	p, s, now := watched(100, 24)
	p.notice(of(run.Extract, "pms", 0, 0, "0 read"))
	p.notice(of(run.Extract, "airbnb", 0, 0, "0 read"))
	s.shows(t, "extract   bookings@pms     0 read", "extract   bookings@airbnb  0 read")
	*now = now.Add(2 * time.Second)
	p.notice(of(run.Extract, "pms", 4000, 0, "4000 read"))
	p.wait(pace.Wait{System: "airbnb", Why: "429", Until: now.Add(12 * time.Second)})
	p.wait(pace.Wait{System: "airbnb", Why: "503", Until: now.Add(time.Second)}) // ends before the other: not what is waited for
	s.shows(t, "extract   bookings@pms     4000 read  2,000/s", "extract   bookings@airbnb  0 read  429 from airbnb, 12 s")
	*now = now.Add(3 * time.Second)
	p.tick()
	s.shows(t, "extract   bookings@pms     4000 read  800/s", "extract   bookings@airbnb  0 read  429 from airbnb, 9 s")
	if _, err := p.aside([]byte("a warning\n")); err != nil {
		t.Fatal(err)
	}
	s.shows(t, "a warning", "extract   bookings@pms     4000 read  800/s", "extract   bookings@airbnb  0 read  429 from airbnb, 9 s")
	done := of(run.Extract, "pms", 0, 0, "complete")
	done.Done = true
	p.notice(done)
	*now = now.Add(9 * time.Second)
	p.tick()
	s.shows(t, "a warning", "extract   bookings@airbnb  0 read")
	p.finish()
	p.notice(of(run.Extract, "pms", 9, 0, "9 read"))
	s.shows(t, "a warning")
}

// A rate is that of the last seconds, not of the whole run.
func TestARateFollowsWhatIsNow(t *testing.T) {
	p, s, now := watched(100, 24)
	p.notice(of(run.Extract, "pms", 0, 0, "0 read"))
	for i := range 30 {
		*now = now.Add(time.Second)
		p.notice(of(run.Extract, "pms", int64(min(i, 14)*100), 0, "so many read"))
	}
	s.shows(t, "extract   bookings@pms  so many read")
}

func TestABarIsShownOnlyWhereATotalIsKnown(t *testing.T) {
	p, s, _ := watched(100, 24)
	p.notice(of(run.Load, "pms", 60, 240, "60 sent, 58 applied"))
	s.shows(t, "load      bookings@pms  [=====               ] 60 of 240  60 sent, 58 applied")
	if got := bar(9, 3); got != "["+strings.Repeat("=", barWidth)+"]" {
		t.Errorf("%q", got)
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	p, s, _ := watched(30, 4)
	for i := range 6 {
		p.notice(of(run.Extract, fmt.Sprintf("system%d", i), 0, 0, "12345 read, 678 new or changed"))
	}
	if len(s.lines) != 3 || s.lines[2] != "... and 4 more" {
		t.Errorf("%q", s.lines)
	}
	for _, line := range s.lines {
		if len([]rune(line)) > 29 {
			t.Errorf("%q is wider than 30 columns", line)
		}
	}
}

func TestWithoutATerminalThereIsALineAtTheEndAndEvery30Seconds(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	p := newProgress(&out, func() time.Time { return now })
	for range 29 {
		p.notice(of(run.Extract, "pms", 100, 0, "100 read"))
		now = now.Add(time.Second)
		p.tick()
	}
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
	p.wait(pace.Wait{System: "pms", Why: "429", Until: now.Add(40 * time.Second)})
	now = now.Add(time.Second)
	p.tick()
	if got := out.String(); got != "extract   bookings@pms: 100 read  429 from pms, 39 s\n" {
		t.Errorf("%q", got)
	}
	done := of(run.Load, "pms", 0, 0, "3 applied")
	done.Done = true
	p.notice(done)
	if got := out.String(); !strings.HasSuffix(got, "load      bookings@pms: 3 applied\n") || strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
	p.off = true
	before := out.Len()
	p.notice(done)
	now = now.Add(time.Minute)
	if p.tick(); out.Len() != before {
		t.Error("it tells although nobody wants it")
	}
}
