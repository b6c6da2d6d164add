package calendar

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func times(t testing.TB, line, zone string) Times {
	t.Helper()
	z, err := Zone(zone)
	if err != nil {
		t.Fatal(err)
	}
	out, err := Parse(line, z)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out
}

// sequence lists n moments after a local time, as UTC.
func sequence(t testing.TB, line, zone, after string, n int) []string {
	t.Helper()
	in := times(t, line, zone)
	at, err := time.ParseInLocation("2006-01-02 15:04", after, in.zone)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for range n {
		at = in.Next(at)
		out = append(out, at.UTC().Format("01-02 15:04"))
	}
	return out
}

func TestWhatTheClocksDoToALine(t *testing.T) {
	for _, c := range []struct {
		name, line, zone, after string
		want                    []string
	}{
		{"an ordinary night", "15 2 * * *", "Europe/Lisbon", "2026-02-01 12:00", []string{"02-02 02:15", "02-03 02:15"}},
		{"a skipped time comes right after", "15 1 * * *", "Europe/Lisbon", "2026-03-28 12:00", []string{"03-29 01:00", "03-30 00:15"}},
		{"all of one skip come once", "*/10 2 * * *", "Europe/Berlin", "2026-03-28 12:00", []string{"03-29 01:00", "03-30 00:00", "03-30 00:10"}},
		{"a repeated time comes once, the first time", "15 1 * * *", "Europe/Lisbon", "2026-10-24 12:00", []string{"10-25 00:15", "10-26 01:15"}},
		{"every hour: 23 on the short day", "5 * * * *", "Europe/Berlin", "2026-03-29 00:10", []string{"03-29 00:05", "03-29 01:05", "03-29 02:05"}},
		{"every hour: 25 on the long day", "5 * * * *", "Europe/Berlin", "2026-10-25 01:10", []string{"10-25 00:05", "10-25 01:05", "10-25 02:05"}},
		{"midnight is skipped", "0 0 * * *", "America/Santiago", "2026-09-05 12:00", []string{"09-06 04:00", "09-07 03:00"}},
		{"half an hour is skipped", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", []string{"10-03 15:30", "10-04 15:15"}},
		{"a whole day is skipped", "0 9 * * *", "Pacific/Apia", "2011-12-29 10:00", []string{"12-30 10:00", "12-30 19:00"}},
		{"a leap day", "0 0 29 2 *", "UTC", "2026-01-01 00:00", []string{"02-29 00:00"}},
		{"names and lists", "0 6,18 * * mon-fri", "UTC", "2026-05-01 07:00", []string{"05-01 18:00", "05-04 06:00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := sequence(t, c.line, c.zone, c.after, len(c.want)); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// byMinutes finds the same moments by looking at a wall clock every minute.
func byMinutes(in Times, from, to time.Time) []time.Time {
	var out []time.Time
	matches := func(w time.Time) bool { return in.spec.Next(w.Add(-time.Second)).Equal(w) }
	seen := wall(from.In(in.zone)) // the latest that the clock has shown
	for m := from; !m.After(to); m = m.Add(time.Minute) {
		now := wall(m.In(in.zone))
		comes := matches(now) && (in.every || now.After(seen) || m.Equal(from))
		for w := seen.Add(time.Minute); !in.every && w.Before(now); w = w.Add(time.Minute) {
			comes = comes || matches(w)
		}
		if comes {
			out = append(out, m)
		}
		if now.After(seen) {
			seen = now
		}
	}
	return out
}

// Random lines in random zones, around the days on which the clocks change: the
// moments are those that looking at a wall clock every minute finds.
func TestNextAgreesWithAWallClock(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a printed seed
	zones := []string{"UTC", "Europe/Lisbon", "Europe/Berlin", "America/New_York", "America/Santiago", "America/St_Johns",
		"Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Asia/Tehran", "Pacific/Apia", "Antarctica/Troll", "Africa/Cairo"}
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	total, changes := 0, 0
	for range 150 {
		line := strings.Join([]string{pick("0", "5", "15", "30", "59", "*/20", "7,45"), pick("*", "0", "1", "2", "3", "1-3", "*/2", "0,2,23"),
			pick("*", "*", "*/3", "1,15,30"), "*", pick("*", "*", "0", "sun,mon")}, " ")
		in := times(t, line, pick(zones...))
		from := time.Date(2000+random.IntN(37), time.Month(1+random.IntN(12)), 1+random.IntN(28), random.IntN(24), random.IntN(60), 0, 0, time.UTC)
		if _, end := from.In(in.zone).ZoneBounds(); !end.IsZero() {
			from = end.Add(-time.Duration(random.IntN(36*60)) * time.Minute).UTC().Truncate(time.Minute)
			changes++
		}
		to := from.Add(60 * time.Hour)
		var got []time.Time
		for m := in.Next(from.Add(-time.Second)); !m.IsZero() && !m.After(to); m = in.Next(m) {
			got = append(got, m)
		}
		want := byMinutes(in, from, to)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			i := 0
			for i < min(len(got), len(want)) && got[i].Equal(want[i]) {
				i++
			}
			t.Fatalf("%s from %s: moment %d differs: got %v, want %v", in, from.In(in.zone), i, got[i:min(i+2, len(got))], want[i:min(i+2, len(want))])
		}
		total += len(want)
	}
	if total == 0 || changes == 0 {
		t.Fatalf("%d moments over %d changes of clocks: nothing was tried", total, changes)
	}
	t.Logf("%d moments, %d changes of clocks", total, changes)
}

// Whoever asks from any moment between two gets the same next one.
func TestNextDoesNotDependOnWhenItIsAsked(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a printed seed
	for _, zone := range []string{"Europe/Lisbon", "Australia/Lord_Howe", "America/New_York"} {
		for _, line := range []string{"15 1 * * *", "5 * * * *", "*/7 2 * * *", "0 2 * * 0"} {
			in := times(t, line, zone)
			at := time.Date(2000+random.IntN(40), 1, 1, 0, 0, 0, 0, time.UTC)
			for range 400 {
				next := in.Next(at)
				if between := at.Add(time.Duration(random.Int64N(int64(next.Sub(at))))); !in.Next(between).Equal(next) {
					t.Fatalf("%s: after %s comes %s, after %s comes %s", in, at, next, between, in.Next(between))
				}
				at = next
			}
		}
	}
}

func TestAWrongLineSaysWhichField(t *testing.T) {
	for line, want := range map[string]string{
		"5 * * *":           "it has 4 fields and needs 5",
		"@hourly":           "it has 1 fields and needs 5",
		"TZ=UTC 5 * * * *":  "it has 6 fields",
		"TZ=UTC 5 * * *":    `its minute "TZ=UTC"`,
		"75 * * * *":        `its minute "75": end of range (75) above maximum (59)`,
		"5 24 * * *":        `its hour "24"`,
		"5 * 0 * *":         `its day of the month "0"`,
		"5 * * 13 *":        `its month "13"`,
		"5 * * * 7":         `its day of the week "7"`,
		"5 * * * funday":    `its day of the week "funday"`,
		"0 0 30 2 *":        "no such day ever comes",
		"5 */0 * * *":       `its hour "*/0"`,
		"":                  "it has 0 fields",
		"5-1 * * * *":       `its minute "5-1"`,
		"1;drop table * * ": "it has 4 fields",
	} {
		_, err := Parse(line, time.UTC)
		var field *FieldError
		if !errors.As(err, &field) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	for _, zone := range []string{"", "Local", "Europe/Lisboa", "../etc/passwd"} {
		if _, err := Zone(zone); err == nil {
			t.Errorf("%q is a zone", zone)
		}
	}
}
