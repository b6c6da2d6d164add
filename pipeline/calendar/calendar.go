// Package calendar says when a cron line comes round in a time zone. It is
// arithmetic only: it must never read a clock, sleep, or know what is run.
package calendar

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on machines and in containers without a zone database

	"github.com/robfig/cron/v3"
)

// Times are the moments of one cron line in one zone. The line is in local time:
//
//   - A local time that the clocks skip comes once, at the moment of the skip;
//     several of one skip come together, once.
//   - A local time that the clocks repeat comes once, the first time.
//   - A line whose hour is * means every hour that passes: what is skipped is
//     left out, and what is repeated comes each time. No hour goes without.
//
// The zero value has no moments.
type Times struct {
	line  string
	zone  *time.Location
	spec  *cron.SpecSchedule
	every bool // the hour is *
}

// every is how the parser marks a field that is *.
const everyBit = 1 << 63

// names of the fields of a line, in their order.
var names = []string{"minute", "hour", "day of the month", "month", "day of the week"}

// FieldError says which field of a cron line is wrong, and why.
type FieldError struct {
	Field string // "minute", ...; "" for the line as a whole
	Text  string
	Why   string
}

// Error is one line.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Why
	}
	return fmt.Sprintf("its %s %q: %s", e.Field, e.Text, e.Why)
}

// Zone finds a zone by its IANA name. "Local" and "" are refused: they would mean
// something else on every machine.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no name of a zone", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("no zone is named %q", name)
	}
	return zone, nil
}

// Parse reads a line of five fields: minute, hour, day of the month, month, day
// of the week (0 is Sunday), with *, lists, ranges, steps and English names. The
// error is a *FieldError.
func Parse(line string, zone *time.Location) (Times, error) {
	fields := strings.Fields(line)
	if len(fields) != len(names) {
		return Times{}, &FieldError{Why: fmt.Sprintf("it has %d fields and needs 5: minute, hour, day of the month, month, day of the week", len(fields))}
	}
	for i, f := range fields {
		alone := slices.Repeat([]string{"*"}, len(names))
		alone[i] = f
		if _, err := parse(alone); err != nil {
			return Times{}, &FieldError{Field: names[i], Text: f, Why: err.Error()}
		}
	}
	spec, err := parse(fields)
	if err != nil {
		return Times{}, &FieldError{Why: err.Error()}
	}
	if spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Times{}, &FieldError{Why: "no such day ever comes"}
	}
	return Times{line: strings.Join(fields, " "), zone: zone, spec: spec, every: spec.Hour&everyBit != 0}, nil
}

// parse reads the fields as walls, that is: as if there were no zone. A zone
// within the line, which the parser would take, cannot get here.
func parse(fields []string) (*cron.SpecSchedule, error) {
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse("TZ=UTC " + strings.Join(fields, " "))
	if err != nil {
		return nil, err
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%q is no cron line", strings.Join(fields, " "))
	}
	return spec, nil
}

// Zone is the name of the zone.
func (t Times) Zone() string { return t.zone.String() }

// String is the line and its zone.
func (t Times) String() string { return t.line + " " + t.zone.String() }

// margin is more than any clock was ever set back since there is Unix time.
const margin = 4 * time.Hour

// Next is the first moment after after, in the zone of the line.
func (t Times) Next(after time.Time) time.Time {
	var best time.Time
	for w := wall(after.In(t.zone)).Add(-margin); ; {
		w = t.spec.Next(w)
		if w.IsZero() || !best.IsZero() && w.After(wall(best).Add(margin)) {
			return best
		}
		for _, m := range t.moments(w) {
			if m.After(after) && (best.IsZero() || m.Before(best)) {
				best = m
			}
		}
	}
}

// wall is what a clock on the wall shows, as a time in UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moments are those at which a wall clock that shows w makes the line come.
func (t Times) moments(w time.Time) []time.Time {
	near := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), 0, 0, t.zone)
	start, end := near.ZoneBounds()
	shown := showing(w, near, before(start), end)
	switch {
	case t.every || len(shown) == 1:
		return shown
	case len(shown) > 1:
		return shown[:1]
	}
	// Skipped: near is in one of the zones on both sides of the skip.
	if !start.IsZero() && wall(start).After(w) && wall(before(start)).Before(w) {
		return []time.Time{start}
	}
	return []time.Time{end}
}

// before is the last instant of the zone that a change ends; none before the first.
func before(change time.Time) time.Time {
	if change.IsZero() {
		return change
	}
	return change.Add(-time.Nanosecond)
}

// showing are the moments at which a wall clock shows w, the first one first,
// among the offsets that are in force at some moments nearby.
func showing(w time.Time, nearby ...time.Time) []time.Time {
	var out []time.Time
	for _, n := range nearby {
		if n.IsZero() { // the zone has no change before or after
			continue
		}
		_, offset := n.Zone()
		m := w.Add(-time.Duration(offset) * time.Second).In(n.Location())
		if wall(m).Equal(w) {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}
