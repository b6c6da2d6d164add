package monitor

import (
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/calendar"
	"github.com/trueup-data/trueup/pipeline/config"
)

func TestHowOftenAStreamIsDueFollowsFromItsSchedules(t *testing.T) {
	lisbon, err := time.LoadLocation("Europe/Lisbon")
	must(t, err)
	schedule := func(line string, zone *time.Location, systems ...string) config.Schedule {
		times, err := calendar.Parse(line, zone)
		must(t, err)
		return config.Schedule{Times: times, Systems: systems}
	}
	p := &config.Project{Schedules: []config.Schedule{schedule("5 * * * *", time.UTC, "pms"), schedule("15 2 * * *", lisbon), schedule("0 9-17 * * 1-5", lisbon, "desk")}}
	for system, want := range map[string]time.Duration{
		"pms": time.Hour, "airbnb": 24 * time.Hour, "desk": 24 * time.Hour, // the nightly one reads the desk on weekends
	} {
		if got := dueEvery(p, "bookings", system, began.Add(50*time.Minute)); got != want {
			t.Errorf("%s is due every %s, not %s", system, got, want)
		}
	}
	if zone := zoneOf(p); zone != "Europe/Lisbon" {
		t.Errorf("people work in %s", zone)
	}
	p.Monitors.Timezone = "Asia/Tokyo"
	if zone := zoneOf(p); zone != "Asia/Tokyo" {
		t.Errorf("the file says Asia/Tokyo, not %s", zone)
	}
	if due, zone := dueEvery(&config.Project{}, "bookings", "pms", began), zoneOf(&config.Project{}); due != 0 || zone != "UTC" {
		t.Errorf("without schedules: %s, %s", due, zone)
	}
}

// A run that does not happen is seen from outside of any: nothing is stored of it.
func TestARunThatDoesNotHappenIsSeen(t *testing.T) {
	for after, want := range map[time.Duration]int{time.Hour: 0, 4 * time.Hour: len(entities) * len(systems)} {
		p := newPlatform(5, 1, 0)
		p.troubles = nil
		w := newWeeks(t, p)
		late, err := overdue(t.Context(), w.s, project(), runAt(p.hours-1).Add(after))
		must(t, err)
		if len(late) != want {
			t.Errorf("%s after the last run: %+v", after, late)
		}
	}
}
