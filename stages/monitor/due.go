package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
)

// week is how far the schedules are looked at: cron lines differ by weekday.
const week = 7 * 24 * time.Hour

// dueEvery is the longest that a stream is left alone by the schedules that read
// it, over the week before a time; 0 where none does.
func dueEvery(p *config.Project, entity, system string, at time.Time) time.Duration {
	var due []time.Time
	for _, s := range p.Schedules {
		if !named(s.Entities, entity) || !named(s.Systems, system) {
			continue
		}
		for t := s.Times.Next(at.Add(-week)); !t.IsZero() && t.Before(at); t = s.Times.Next(t) {
			due = append(due, t)
		}
	}
	slices.SortFunc(due, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(due); i++ {
		longest = max(longest, due[i].Sub(due[i-1]))
	}
	return longest
}

func named(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

// zoneOf is where people work: as the file says, else as its schedules do.
func zoneOf(p *config.Project) string {
	for _, s := range p.Schedules {
		if zone := s.Times.Zone(); p.Monitors.Timezone == "" && zone != "UTC" {
			return zone
		}
	}
	return cmp.Or(p.Monitors.Timezone, "UTC")
}
