package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/calendar"
	"github.com/trueup-data/trueup/pipeline/config"
)

func scheduled(t testing.TB, name, line, zone, mode string, scope ...string) config.Schedule {
	t.Helper()
	z, err := calendar.Zone(zone)
	if err != nil {
		t.Fatal(err)
	}
	times, err := calendar.Parse(line, z)
	if err != nil {
		t.Fatal(err)
	}
	return config.Schedule{Name: name, Times: times, Mode: mode, Systems: scope}
}

func at(text string) time.Time {
	out, err := time.Parse("2006-01-02 15:04", "2026-"+text)
	if err != nil {
		panic(err)
	}
	return out
}

func ran(mode string, end End, started string, systems ...string) Past {
	return Past{Mode: mode, End: end, Started: at(started), Systems: systems}
}

func both(t testing.TB) []config.Schedule {
	return []config.Schedule{scheduled(t, "hourly", "5 * * * *", "UTC", "incremental"), scheduled(t, "nightly", "15 2 * * *", "UTC", "sweep")}
}

func TestWhatIsDue(t *testing.T) {
	ended := ran("incremental", Succeeded, "05-10 11:05")
	swept := ran("sweep", Succeeded, "05-10 02:15")
	for _, c := range []struct {
		name string
		past []Past
		now  string
		want string // the schedule that runs, and what it includes
	}{
		{"nothing ever ran", nil, "05-10 12:00", "nightly+hourly"},
		{"everything is done", []Past{ended, swept}, "05-10 12:00", ""},
		{"a moment before", []Past{ended, swept}, "05-10 12:04", ""},
		{"the moment itself", []Past{ended, swept}, "05-10 12:05", "hourly"},
		{"many were missed: once", []Past{ended, swept}, "05-10 23:30", "hourly"},
		{"after the one that caught up", []Past{ran("incremental", Succeeded, "05-10 23:30"), swept}, "05-10 23:31", ""},
		{"days were missed: the sweep does both", []Past{ended, swept}, "05-14 08:00", "nightly+hourly"},
		{"a sweep is an incremental run too", []Past{swept}, "05-10 02:16", ""},
		{"an incremental run is no sweep", []Past{ran("incremental", Succeeded, "05-10 09:06")}, "05-10 09:07", "nightly"},
		{"one that failed waits for the next moment", []Past{swept, ran("incremental", Failed, "05-10 11:05")}, "05-10 12:04", ""},
		{"and is tried again then", []Past{swept, ran("incremental", Failed, "05-10 11:05")}, "05-10 12:05", "hourly"},
		{"one that was interrupted goes on", []Past{swept, ended, ran("incremental", Interrupted, "05-10 12:05")}, "05-10 12:06", "hourly"},
		{"one that died goes on", []Past{swept, ended, ran("incremental", Died, "05-10 12:05")}, "05-10 12:06", "hourly"},
		{"what kills every run is not tried all day", []Past{swept, ended, ran("incremental", Died, "05-10 12:05"), ran("incremental", Died, "05-10 12:07")}, "05-10 12:09", ""},
		{"but at the next moment", []Past{swept, ended, ran("incremental", Died, "05-10 12:05"), ran("incremental", Died, "05-10 12:07")}, "05-10 13:05", "hourly"},
		{"deaths of an earlier moment do not count", []Past{swept, ran("incremental", Died, "05-10 11:04"), ended, ran("incremental", Died, "05-10 12:05")}, "05-10 12:09", "hourly"},
		{"even the first one is given up after two", []Past{ran("sweep", Died, "05-10 12:00"), ran("sweep", Died, "05-10 12:01")}, "05-10 12:02", ""},
		{"one that goes on has not answered yet", []Past{swept, ended, ran("incremental", Going, "05-10 12:05")}, "05-10 12:06", "hourly"},
		{"a run of one system is no run of all", []Past{swept, ended, ran("incremental", Succeeded, "05-10 12:05", "pms")}, "05-10 12:06", "hourly"},
		{"a run from the future is nobody's", []Past{swept, ended, ran("incremental", Succeeded, "11-10 12:05")}, "05-10 12:06", "hourly"},
		{"a clock that is a little ahead is believed", []Past{swept, ended, ran("incremental", Succeeded, "05-10 12:07")}, "05-10 12:05", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			stands := Stands(both(t), c.past, at(c.now))
			choice, due := Next(stands, at(c.now))
			got := strings.Join(append([]string{choice.Schedule.Name}, choice.Includes...), "+")
			if got != c.want || due != (c.want != "") {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestASweepIncludesWhatItCovers(t *testing.T) {
	all := scheduled(t, "all", "0 * * * *", "UTC", "incremental")
	pms := scheduled(t, "pms", "0 * * * *", "UTC", "incremental", "pms")
	sweepPMS := scheduled(t, "sweep_pms", "0 2 * * *", "UTC", "sweep", "pms")
	sweepTwo := scheduled(t, "sweep_two", "0 2 * * *", "UTC", "sweep", "pms", "channel")
	for _, c := range []struct {
		schedules []config.Schedule
		want      string
	}{
		{[]config.Schedule{pms, all}, "all+pms"},
		{[]config.Schedule{all, pms, sweepPMS}, "sweep_pms+pms"},
		{[]config.Schedule{sweepPMS, sweepTwo, pms}, "sweep_two+sweep_pms+pms"},
		{[]config.Schedule{sweepTwo, all}, "sweep_two"},
	} {
		choice, _ := Next(Stands(c.schedules, nil, at("05-10 12:00")), at("05-10 12:00"))
		if got := strings.Join(append([]string{choice.Schedule.Name}, choice.Includes...), "+"); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestStale(t *testing.T) {
	s := both(t)[:1]
	for _, c := range []struct {
		past []Past
		now  string
		want bool
	}{
		{nil, "05-10 12:00", true},
		{[]Past{ran("incremental", Succeeded, "05-10 11:05")}, "05-10 12:30", false},
		{[]Past{ran("incremental", Succeeded, "05-10 11:05")}, "05-10 13:05", true},
		{[]Past{ran("incremental", Succeeded, "05-10 11:05"), ran("incremental", Failed, "05-10 13:05")}, "05-10 13:06", true},
		{[]Past{ran("incremental", Succeeded, "05-10 11:05"), ran("sweep", Succeeded, "05-10 12:06")}, "05-10 13:06", false},
	} {
		if got := Stands(s, c.past, at(c.now))[0].Stale; got != c.want {
			t.Errorf("%v at %s: stale is %v", c.past, c.now, got)
		}
	}
}

// A year of a project in random zones, with downtime, failures, deaths and people
// who run things by hand: whenever the machine is up and idle, every moment of a
// schedule has been answered, none twice without a reason, and downtime costs one
// run however long it was.
func TestEveryMomentIsAnsweredOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a printed seed
	runs := 0
	for range 4 {
		zone := []string{"UTC", "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Tehran"}[random.IntN(6)]
		runs += year(t, random, zone)
	}
	if runs < 500 {
		t.Fatalf("only %d runs in four years", runs)
	}
	t.Logf("%d runs", runs)
}

// year simulates a month of every season, and gives the number of runs.
func year(t *testing.T, random *rand.Rand, zone string) int {
	schedules := []config.Schedule{
		scheduled(t, "often", fmt.Sprintf("%d */3 * * *", random.IntN(60)), zone, "incremental"),
		scheduled(t, "nightly", fmt.Sprintf("%d %d * * *", random.IntN(60), random.IntN(4)), zone, "sweep"),
	}
	now := time.Date(2000+random.IntN(37), time.Month(1+random.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
	end := now.AddDate(0, 4, 0)
	began := now
	var past []Past
	runs := 0
	for looks := 0; now.Before(end); looks++ {
		if looks > 20_000 {
			t.Fatalf("it never gets beyond %s", now)
		}
		stands := Stands(schedules, past, now)
		choice, due := Next(stands, now)
		if !due {
			if wake := Wake(stands); !wake.After(now) {
				t.Fatalf("nothing is due at %s, and the next is at %s", now, wake)
			}
			check(t, schedules, past, began, now)
			now = Wake(stands)
			if random.IntN(20) == 0 { // the machine is down
				now = now.Add(time.Duration(random.IntN(80)) * time.Hour)
			}
			continue
		}
		runs++
		how := []End{Succeeded, Succeeded, Succeeded, Succeeded, Failed, Interrupted, Died}[random.IntN(7)]
		past = append(past, Past{Mode: choice.Schedule.Mode, End: how, Started: now})
		past = past[max(0, len(past)-40):]
		now = now.Add(time.Duration(1+random.IntN(50)) * time.Minute)
	}
	return runs
}

// check says that each moment since the first run has a run at or after it, and
// that between two moments a schedule ran again only for a reason.
func check(t *testing.T, schedules []config.Schedule, past []Past, began, now time.Time) {
	t.Helper()
	for _, s := range schedules {
		own := slices.DeleteFunc(slices.Clone(past), func(p Past) bool { return !p.covers(s) })
		if len(own) == 0 {
			t.Fatalf("%s: idle at %s, and it never ran since %s", s.Name, now, began)
		}
		last := own[len(own)-1]
		if next := s.Times.Next(last.Started); !next.After(now) {
			t.Fatalf("%s: idle at %s, and nobody answered %s", s.Name, now, next)
		}
		for i := max(1, len(own)-4); i < len(own); i++ { // the older ones were checked before
			settled := own[i-1].End == Succeeded || own[i-1].End == Failed
			if own[i].Mode == s.Mode && settled && s.Times.Next(own[i-1].Started).After(own[i].Started) && !dueElsewhere(schedules, s, past, own[i]) {
				t.Fatalf("%s ran at %s and again at %s, and no moment lies between", s.Name, own[i-1].Started, own[i].Started)
			}
		}
	}
}

// dueElsewhere reports whether a run was begun for another schedule of the same mode.
func dueElsewhere(schedules []config.Schedule, s config.Schedule, past []Past, p Past) bool {
	for _, other := range schedules {
		if other.Name == s.Name || !p.covers(other) {
			continue
		}
		before := slices.DeleteFunc(slices.Clone(past), func(q Past) bool { return !q.Started.Before(p.Started) })
		if standOf(other, before, p.Started).Overdue {
			return true
		}
	}
	return false
}
