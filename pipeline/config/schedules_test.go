package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scheduled loads the example with schedules at its end.
func scheduled(t *testing.T, schedules string) (*Project, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, []byte(string(readFile(t, rentals))+"\nschedules:\n"+schedules), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, environment, testKnown())
}

func TestSchedules(t *testing.T) {
	p, err := scheduled(t, `  hourly:  {cron: "5 * * * *", mode: incremental}
  nightly: {cron: "15 2 * * *", mode: sweep, timezone: Europe/Lisbon, entities: bookings, systems: [pms, airbnb]}
`)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, s := range p.Schedules {
		got += fmt.Sprintln(s.Name, s.Times, s.Mode, s.Entities, s.Systems, s.Times.Next(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)).UTC().Format(time.DateTime))
	}
	want := "hourly 5 * * * * UTC incremental [] [] 2026-07-01 12:05:00\n" +
		"nightly 15 2 * * * Europe/Lisbon sweep [bookings] [pms airbnb] 2026-07-02 01:15:00\n"
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// What is wrong with a schedule is told with its place, all at once.
func TestWrongSchedules(t *testing.T) {
	first := strings.Count(string(readFile(t, rentals)), "\n") + 3 // the line of the first schedule
	for text, want := range map[string]string{
		`  a: {cron: "75 * * * *", mode: sweep}`:                                       `0:14: "75 * * * *" is no cron line (its minute "75": end of range (75) above maximum (59): 75); help: write five fields`,
		`  a: {cron: "5 * * *", mode: sweep}`:                                          `0:14: "5 * * *" is no cron line (it has 4 fields and needs 5`,
		`  a: {cron: "@hourly", mode: sweep}`:                                          `0:14: "@hourly" is no cron line`,
		`  a: {cron: "CRON_TZ=UTC 5 * * * *", mode: sweep}`:                            `0:14: "CRON_TZ=UTC 5 * * * *" is no cron line`,
		`  a: {cron: "0 0 31 4 *", mode: sweep}`:                                       `0:14: "0 0 31 4 *" is no cron line (no such day ever comes)`,
		`  a: {cron: "5 * * * *", mode: sweep, timezone: Europe/Lisboa}`:               `0:49: no zone is named "Europe/Lisboa"; help: write an IANA name`,
		`  a: {cron: "5 * * * *", mode: sweep, timezone: Local}`:                       `0:49: "Local" is no name of a zone`,
		`  a: {cron: "5 * * * *", mode: sweeep}`:                                       `0:32: "schedules.a.mode" cannot be "sweeep" (it is one of incremental, sweep); help: did you mean "sweep"?`,
		`  a: {cron: "5 * * * *"}`:                                                     `"schedules.a.mode" is missing`,
		`  a: {mode: sweep}`:                                                           `"schedules.a.cron" is missing`,
		`  a: {cron: "5 * * * *", mode: sweep, timezon: UTC}`:                          `unknown key "schedules.a.timezon"; help: did you mean "timezone"?`,
		`  a: {cron: "5 * * * *", mode: sweep, entities: [bookngs]}`:                   `0:50: there is no entity "bookngs"; help: did you mean "bookings"?`,
		`  a: {cron: "5 * * * *", mode: sweep, systems: [pms, arbnb]}`:                 `0:54: there is no system "arbnb"; help: did you mean "airbnb"?`,
		`  a: {cron: "5 * * * *", mode: sweep, entities: listings, systems: [airbnb]}`: `0:3: schedule a has no effect (no stream is in both of its lists)`,
		`  "a b": {cron: "5 * * * *", mode: sweep}`:                                    `"a b" cannot name a schedule`,
		`  [a]`: `"schedules" must be a mapping`,
	} {
		_, err := scheduled(t, text+"\n")
		var problems Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if place, ok := strings.CutPrefix(want, "0:"); ok {
			want = fmt.Sprintf("trueup.yaml:%d:%s", first, place)
		}
		if len(problems) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", text, err, want)
		}
	}
	_, err := scheduled(t, "  a: {cron: x, mode: y}\n  b: {cron: \"5 * * * *\", mode: sweep, timezone: Mars}\n")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Errorf("not all at once: %v", err)
	}
}
