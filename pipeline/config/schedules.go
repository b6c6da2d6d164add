package config

import (
	"fmt"
	"slices"

	"github.com/trueup-data/trueup/pipeline/calendar"
)

// Schedule says when runs begin by themselves, and what they do.
type Schedule struct {
	Name     string
	Times    calendar.Times
	Mode     string   // incremental or sweep
	Entities []string // empty: all
	Systems  []string // empty: all
	At       Position
}

// schedulePart is one schedule as users write it.
type schedulePart struct {
	Cron     Name   `yaml:"cron,required" help:"minute, hour, day of the month, month, day of the week; such as 15 2 * * *"`
	Mode     string `yaml:"mode,required" enum:"incremental|sweep" help:"only a sweep can show that a record is gone"`
	Timezone Name   `yaml:"timezone" help:"IANA zone of the cron line, such as Europe/Lisbon; default UTC"`
	Entities Names  `yaml:"entities" help:"only these entities; default all"`
	Systems  Names  `yaml:"systems" help:"only these systems, the others are not due; default all"`
}

// schedules checks what the schedules name, and reads their cron lines.
func (b *builder) schedules(p *Project, f *projectFile) {
	for _, e := range f.Schedules {
		b.identifier(e.At, "schedule", e.Key)
		s := Schedule{Name: e.Key, Mode: e.Value.Mode, Entities: e.Value.Entities.Texts(), Systems: e.Value.Systems.Texts(), At: e.At}
		s.Times = b.times(e)
		known := b.named(e.Value.Entities, "entity", f.Entities.Keys())
		known = b.named(e.Value.Systems, "system", f.Systems.Keys()) && known
		if known && len(p.Entities) > 0 && !p.anyStream(s.Entities, s.Systems) {
			b.problems.add(e.At, fmt.Sprintf("schedule %s has no effect", e.Key), "no stream is in both of its lists", "name entities that these systems hold")
		}
		p.Schedules = append(p.Schedules, s)
	}
}

// times reads a cron line in its zone.
func (b *builder) times(e Entry[schedulePart]) calendar.Times {
	line, name := e.Value.Cron, e.Value.Timezone
	zone, err := calendar.Zone(or(name.Text, "UTC"))
	if err != nil {
		b.problems.add(name.At, err.Error(), "", "write an IANA name such as Europe/Lisbon or UTC")
		return calendar.Times{}
	}
	if line.Text == "" { // it did not decode, which is a problem of its own
		return calendar.Times{}
	}
	times, err := calendar.Parse(line.Text, zone)
	if err != nil {
		b.problems.add(line.At, fmt.Sprintf("%q is no cron line", line.Text), err.Error(), `write five fields, such as "5 * * * *" or "15 2 * * *"; the zone is a key of its own: timezone`)
	}
	return times
}

// named refuses names that stand for nothing in the file, and reports whether all stand for something.
func (b *builder) named(names Names, what string, valid []string) bool {
	before := len(b.problems)
	for _, n := range names {
		if !slices.Contains(valid, n.Text) {
			b.unknown(n.At, what, n.Text, valid)
		}
	}
	return len(b.problems) == before
}

// anyStream reports whether a stream is in both lists; an empty list holds all.
func (p *Project) anyStream(entities, systems []string) bool {
	in := func(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }
	return slices.ContainsFunc(p.Entities, func(e Entity) bool {
		return in(entities, e.Name) && slices.ContainsFunc(e.Streams, func(s Stream) bool { return in(systems, s.System) })
	})
}
