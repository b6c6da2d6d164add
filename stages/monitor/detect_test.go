package monitor

import (
	"fmt"
	"slices"
	"testing"
)

// signals are what the detectors said of an hour, as text.
func (w *weeks) signals(h int64) []string {
	w.t.Helper()
	rows, err := w.s.Query(w.t.Context(), "SELECT concat_ws('|', kind, entity, system, field, round(strength, 6), observed, expected) FROM signal WHERE h = $1 ORDER BY ALL", h)
	must(w.t, err)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		must(w.t, rows.Scan(&text))
		out = append(out, text)
	}
	must(w.t, rows.Err())
	return out
}

// Testing many hours at once says of each what testing it alone, when it was the
// newest, says: no detector looks at what came later.
func TestNoDetectorLooksAhead(t *testing.T) {
	w := newWeeks(t, newPlatform(11, 3, 75))
	must(t, w.d.detect(t.Context(), w.s))
	all := map[int][]string{}
	compared := 0
	for _, h := range []int{24*6 + 15, 24*11 + nightly, 24*17 + 20} {
		all[h] = w.signals(runAt(h).Unix() / 3600)
		compared += len(all[h])
	}
	for h, want := range all {
		w.d.clock, w.d.from = runAt(h), runAt(h)
		must(t, w.d.detect(t.Context(), w.s))
		if got := w.signals(runAt(h).Unix() / 3600); !slices.Equal(got, want) {
			t.Errorf("hour %d alone:\n%q\nand among all:\n%q", h, got, want)
		}
	}
	if compared == 0 {
		t.Error("nothing was said of any of the hours: choose others")
	}
}

// life is a session in which signals are put by hand, one run an hour.
type life struct {
	t testing.TB
	*weeks
	h int
}

func newLife(t testing.TB) *life {
	t.Helper()
	w := newWeeks(t, &platform{})
	must(t, w.d.prepare(t.Context(), w.s))
	must(t, w.d.files(t.Context(), w.s, "kinds", "signals", "history"))
	return &life{t: t, weeks: w}
}

// says is one signal.
type says struct {
	kind, entity, system, field string
	strength                    float64
	cause                       string
}

// next is the next run: every stream is read to its end, and signals are said of it.
func (l *life) next(signals ...says) {
	l.t.Helper()
	l.h++
	at := runAt(l.h)
	for _, e := range entities {
		for _, s := range systems {
			must(l.t, l.s.Exec(l.t.Context(), "INSERT INTO pass BY NAME SELECT $1 AS entity, $2 AS system, $3 AS run, $4::BIGINT AS at_us, true AS complete, $5::BOOLEAN AS sweep",
				e, s, runID(l.h), at.UnixMicro(), l.h%24 == 0))
		}
	}
	for _, x := range signals {
		must(l.t, l.s.Exec(l.t.Context(), "INSERT INTO signal VALUES ($1, $2, $3, $4, $5, $6, $7, 'much', 'little', ['requests'])",
			at.Unix()/3600, x.kind, x.entity, x.system, x.field, x.strength, x.cause))
	}
	l.run(l.h)
}

// stands lists the findings as text: kind, what about, state, hours first and last seen.
func (l *life) stands() string {
	l.t.Helper()
	rows, err := l.s.Query(l.t.Context(), "SELECT kind, entity, system, field, state, epoch_us(first_seen), epoch_us(last_seen) FROM in_findings ORDER BY ALL")
	must(l.t, err)
	defer rows.Close()
	out := ""
	for rows.Next() {
		var kind, entity, system, field, state string
		var first, last int64
		must(l.t, rows.Scan(&kind, &entity, &system, &field, &state, &first, &last))
		hour := func(us int64) int64 { return (us - began.UnixMicro()) / 3_600_000_000 }
		out += fmt.Sprintf("%s %s@%s%s %s %d-%d;", kind, entity, system, field, state, hour(first), hour(last))
	}
	must(l.t, rows.Err())
	return out
}

func TestAFindingOpensIsSeenAgainIsResolvedAndReopensAsTheSame(t *testing.T) {
	l := newLife(t)
	drop := says{kind: "volume_drop", entity: "bookings", system: "pms"}
	with := func(strength float64) says { s := drop; s.strength = strength; return s }
	for i, step := range []struct {
		said []says
		want string
	}{
		{[]says{with(0.9)}, ""}, // too weak to open
		{[]says{with(1.2)}, "volume_drop bookings@pms open 2-2;"},
		{[]says{with(0.7)}, "volume_drop bookings@pms open 2-3;"}, // strong enough to stay
		{nil, "volume_drop bookings@pms open 2-3;"},
		{nil, "volume_drop bookings@pms open 2-3;"},
		{[]says{with(0.7)}, "volume_drop bookings@pms open 2-6;"}, // quiet for two runs is not over
		{nil, "volume_drop bookings@pms open 2-6;"},
		{nil, "volume_drop bookings@pms open 2-6;"},
		{nil, "volume_drop bookings@pms resolved 2-6;"},
		{[]says{with(0.9)}, "volume_drop bookings@pms resolved 2-6;"},
		{[]says{with(1)}, "volume_drop bookings@pms open 2-11;"},
	} {
		l.next(step.said...)
		if got := l.stands(); got != step.want {
			t.Fatalf("after run %d: %q, not %q", i+1, got, step.want)
		}
	}
	if len(l.alarms) != 2 || l.alarms[0].finding != l.alarms[1].finding {
		t.Errorf("it opened as %+v", l.alarms)
	}
}

func TestWhatOnlyASweepSeesIsOverOnlyAfterASweep(t *testing.T) {
	l := newLife(t)
	l.next(says{kind: "missing_records", entity: "bookings", system: "pms", strength: 1})
	for l.h < 23 {
		l.next()
		if got := l.stands(); got != "missing_records bookings@pms open 1-1;" {
			t.Fatalf("hour %d: %s", l.h, got)
		}
	}
	if l.next(); l.stands() != "missing_records bookings@pms resolved 1-1;" {
		t.Errorf("after a sweep that missed nothing: %s", l.stands())
	}
}

func TestOneCauseIsOneIncident(t *testing.T) {
	l := newLife(t)
	one := func(kind, entity, system, field, cause string) says {
		return says{kind: kind, entity: entity, system: system, field: field, strength: 2, cause: cause}
	}
	l.next(one("api_slowdown", "", "pms", "", ""), one("retry_storm", "", "pms", "", ""), one("volume_drop", "bookings", "pms", "", ""),
		one("null_drift", "bookings", "airbnb", "price", ""), one("null_drift", "bookings", "airbnb", "notes", ""), one("null_drift", "prices", "airbnb", "price", ""))
	l.next(one("freshness", "prices", "pms", "", "run-1"), one("freshness", "jobs", "tasks", "", "run-9"), one("freshness", "jobs", "inbox", "", "run-9"))
	led := map[string]string{}
	kinds := map[string]string{}
	for _, a := range l.alarms {
		kinds[a.finding] = a.kind + " " + a.entity + "@" + a.system + " " + a.field
	}
	for _, a := range l.alarms {
		led[kinds[a.finding]] = kinds[a.incident]
	}
	for member, cause := range map[string]string{
		"api_slowdown @pms ": "retry_storm @pms ", "volume_drop bookings@pms ": "retry_storm @pms ", "retry_storm @pms ": "retry_storm @pms ",
		"freshness prices@pms ": "retry_storm @pms ", "null_drift bookings@airbnb price": "null_drift bookings@airbnb notes",
		"null_drift prices@airbnb price": "null_drift prices@airbnb price", // another entity is another trouble
		"freshness jobs@tasks ":          "freshness jobs@inbox ",          // both were last read in the same run: there was none since
	} {
		if led[member] != cause {
			t.Errorf("%s belongs to %s, not to %s", member, led[member], cause)
		}
	}
}

// A level that lasts is one finding, resolved when the level is adopted; a
// season, growth and noise are none.
func TestALastingLevelIsOneFinding(t *testing.T) {
	for _, factor := range []float64{0.4, 1, 2.5} {
		p := newPlatform(21, 5, 0)
		p.troubles, p.holidays = nil, nil
		p.shapes = []shape{{entity: "bookings", system: "pms", inserts: 60, updates: 200, weekend: 0.5, night: 0.1, growth: 0.03, peak: 14,
			noise: 0.08, daily: 0.03, nullShare: 0.2, size: 4, shift: 24*23 + 10, factor: factor}}
		w := newWeeks(t, p)
		w.watch()
		var found []alarm
		for _, a := range w.alarms {
			if a.kind == "volume_drop" || a.kind == "volume_spike" {
				found = append(found, a)
			}
		}
		var open, last int64
		must(t, one(t.Context(), w.s, "SELECT count(*) FILTER (state = 'open'), coalesce((max(epoch_us(last_seen)) - (SELECT min(epoch_us(run_at)) FROM in_runs)) // 3600000000, 0) FROM in_findings WHERE kind LIKE 'volume%'", &open, &last))
		want := 1
		if factor == 1 {
			want = 0
		}
		if len(found) != want || open != 0 || last > 24*23+10+72 {
			t.Errorf("a level of %g: %+v, %d still open, last seen in hour %d", factor, found, open, last)
		}
	}
}
