package schemas

import (
	"fmt"
	"strings"
)

// pattern is a compiled strftime pattern: what stands between the directives,
// and the directives, in order.
type pattern struct {
	steps []step
	zoned bool // it carries an offset, or counts from the epoch
}

// step is a literal, or a directive when verb is set.
type step struct {
	literal string
	verb    byte
}

// Directives by what they tell. %f is microseconds, %L milliseconds, %z an offset
// (+0100, +01:00 or Z), %y the years 1969 to 2068.
const (
	dateVerbs = "YymdbBej"
	timeVerbs = "HIMSfLp"
	zoneVerbs = "zs"
)

// Directives that stand for several.
var compoundVerbs = map[byte]string{'F': "%Y-%m-%d", 'T': "%H:%M:%S", 'R': "%H:%M", 'D': "%m/%d/%y"}

// compilePattern reads a pattern for a date, a time or a timestamp. It refuses
// one that does not determine the value: a date without a month, a time without
// an hour, %I without %p.
func compilePattern(format string, kind Kind) (*pattern, error) {
	p := &pattern{}
	if err := p.parse(format); err != nil {
		return nil, fmt.Errorf("format %q: %w", format, err)
	}
	if err := p.check(kind); err != nil {
		return nil, fmt.Errorf("format %q: %w", format, err)
	}
	p.zoned = p.has('z') || p.has('s')
	return p, nil
}

func (p *pattern) parse(format string) error {
	for rest := format; rest != ""; {
		at := strings.IndexByte(rest, '%')
		if at != 0 {
			if at < 0 {
				at = len(rest)
			}
			p.steps = append(p.steps, step{literal: rest[:at]})
			rest = rest[at:]
			continue
		}
		if len(rest) < 2 {
			return fmt.Errorf("ends in a single %%")
		}
		verb := rest[1]
		rest = rest[2:]
		switch {
		case verb == '%':
			p.steps = append(p.steps, step{literal: "%"})
		case compoundVerbs[verb] != "":
			rest = compoundVerbs[verb] + rest
		case strings.IndexByte(dateVerbs+timeVerbs+zoneVerbs, verb) >= 0:
			if p.has(verb) {
				return fmt.Errorf("%%%c is there twice", verb)
			}
			p.steps = append(p.steps, step{verb: verb})
		default:
			return fmt.Errorf("there is no %%%c; known are %%Y %%y %%m %%b %%B %%d %%e %%j %%H %%I %%p %%M %%S %%f %%L %%z %%s %%F %%T %%R %%D", verb)
		}
	}
	return nil
}

func (p *pattern) has(verb byte) bool {
	for _, s := range p.steps {
		if s.verb == verb {
			return true
		}
	}
	return false
}

// count is how many of the verbs there are.
func (p *pattern) count(verbs string) int {
	n := 0
	for i := range len(verbs) {
		if p.has(verbs[i]) {
			n++
		}
	}
	return n
}

func (p *pattern) check(kind Kind) error {
	dates, times, zones := p.count(dateVerbs), p.count(timeVerbs), p.count(zoneVerbs)
	if p.has('s') {
		if kind != Timestamp || dates+times-p.count("fL") > 0 || p.has('z') {
			return fmt.Errorf("%%s is an instant by itself")
		}
		return nil
	}
	switch {
	case kind == Date && times+zones > 0:
		return fmt.Errorf("a date has no time of day: declare a timestamp, and take the date in the mapping")
	case kind == Time && dates+zones > 0:
		return fmt.Errorf("a time of day has no date and no zone")
	}
	if kind != Time {
		if err := p.checkDate(); err != nil {
			return err
		}
	}
	if kind != Date {
		return p.checkTime()
	}
	return nil
}

func (p *pattern) checkDate() error {
	byMonth := p.count("mbB") == 1 && p.count("de") == 1 && !p.has('j')
	byDay := p.has('j') && p.count("mbBde") == 0
	if p.count("Yy") != 1 || !byMonth && !byDay {
		return fmt.Errorf("it needs a year (%%Y), a month (%%m) and a day (%%d) once, or a year and a day of the year (%%j)")
	}
	return nil
}

func (p *pattern) checkTime() error {
	if p.count("HI") != 1 || p.has('I') != p.has('p') {
		return fmt.Errorf("it needs an hour: %%H, or %%I with %%p")
	}
	if p.count("fL") > 1 || p.has('S') && !p.has('M') || p.count("fL") == 1 && !p.has('S') {
		return fmt.Errorf("what is smaller needs what is larger: %%M for %%S, %%S for one of %%f and %%L")
	}
	return nil
}
