package story

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// hour is what happens between two hourly runs.
type hour struct {
	actions int    // of people
	kill    int    // the run dies at this effect; 0: it lives
	event   string // what happens besides, one of the events; "" is nothing
}

// The events of a day.
const (
	lateImport = "a late import" // a booking gets in with an old time: no hourly run will list it
	outage     = "an outage"     // the inbox answers nothing but errors, until the next hour
)

// workday is the first n hours of a day that begins at 8. One run dies half-way,
// in an hour with much to send, and not the last one; the events come after it, one
// an hour.
func workday(n int) []hour {
	actions := []int{50, 90, 40, 60, 50, 30, 36, 30, 25, 30, 20, 12}
	hours := make([]hour, n)
	for i := range hours {
		hours[i].actions = actions[i%len(actions)]
	}
	kill := min(1, n-2)
	hours[kill] = hour{actions: 90, kill: 15}
	hours[min(kill+1, n-1)].event = lateImport
	if kill+2 < n-1 {
		hours[kill+2].event = outage
	}
	return hours
}

// roughness is the share of requests that each kind of fault hits: with twenty
// kinds it is bad weather.
const roughness = 0.01

// weather is bad, with some faults more.
func (t *teller) weather(more ...world.Fault) error {
	return t.world.SetFaults(append(more, world.Harsh(roughness)...)...)
}

// day lets people work for a day on a bad network, with a run every hour.
func (t *teller) day(ctx context.Context) error {
	t.say("\nA day at the office: people edit in all systems, the network is bad, and every hour there is")
	t.command("run")
	t.row("", "people", "the run", "the network")
	for _, h := range workday(t.Hours) {
		if err := t.weather(); err != nil {
			return err
		}
		if _, err := t.world.Live(time.Hour, h.actions, world.Mix{}); err != nil {
			return fmt.Errorf("let people work: %w", err)
		}
		if err := t.happens(h.event); err != nil {
			return err
		}
		if err := t.hourly(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// happens lets an event happen.
func (t *teller) happens(event string) error {
	switch event {
	case outage:
		return t.weather(world.Fault{Kind: world.Unavailable, System: world.Deskline, Rate: 1})
	case lateImport:
		if err := t.weather(world.Fault{Kind: world.Skew, System: world.Staybnb, Nth: 1, Skew: -3 * time.Hour}); err != nil {
			return err
		}
		stay := world.Values{"code": world.Text("HMLATE001"), "listing_id": world.Text("L-003"), "check_in": world.Text("2026-04-01"),
			"check_out": world.Text("2026-04-04"), "guest_name": world.Text("Inês d'Almeida"), "price": world.Text("321.00"), "status": world.Text("confirmed")}
		e, err := t.world.Create(world.Staybnb, stay)
		t.late = e.Key
		return err
	}
	return nil
}

func (t *teller) row(at, people, did, network string) {
	t.say("%s", clip(strings.TrimRight(fmt.Sprintf("  %-5s  %-41s  %-51s  %s", at, people, did, network), " "), width))
}

// hourly does the run of one hour and tells it in a line.
func (t *teller) hourly(ctx context.Context, h hour) error {
	if h.kill > 0 {
		return t.killed(ctx, h)
	}
	e, err := t.run(ctx)
	if err != nil {
		return err
	}
	did := figures(e.text, "new", "changed", "sent", "unclear", "stale", "refused", "in doubt", "put off")
	if strings.Contains(e.text, "partial") || strings.Contains(e.text, "unavailable") {
		did += ", read partly"
	}
	t.hour(did)
	switch h.event {
	case outage:
		t.say("         deskline answered nothing but errors. What concerns it waits; everything else went on. The monitor says so:")
		return t.storm(ctx)
	case lateImport:
		t.say("         staybnb imported %s under a time three hours ago: no hourly listing will ever show it.", t.late)
	}
	if t.resumes {
		t.resumes = false
		for _, line := range wrap("         The dead run's lease ran out. Before anything else, settled: "+bySystem(e.text, "settled"), width, 9) {
			t.say("%s", line)
		}
	}
	return nil
}

// hour is a line of the day: what people did, what the run did, what went wrong.
func (t *teller) hour(did string) {
	requests, edits := t.told()
	t.row(t.world.Now().Format("15:04"), people(edits), did, faultsOf(requests))
}

// killed starts a run and kills it right after a write took effect and before its answer.
func (t *teller) killed(ctx context.Context, h hour) error {
	var last world.Request
	e, err := t.start(ctx, t.at("run"), func(kill func()) {
		t.wire.arm(h.kill, func(r world.Request) { last = r; kill() })
	})
	if err != nil {
		return err
	}
	if !e.killed {
		return fmt.Errorf("the run of %s was to die at its write number %d, and did not:\n%s", t.clock(), h.kill, e.text)
	}
	t.resumes = true
	t.hour("KILLED (kill -9), half-way")
	t.say("         Its last act: %s %s (%s). It took effect; no answer was read.", last.Method, last.Path, t.victim(last))
	return nil
}

// victim names the record that a request changed.
func (t *teller) victim(r world.Request) string {
	for _, e := range t.world.Effects() {
		if e.Seq == r.Effect {
			return e.Entity + " " + e.Key
		}
	}
	return ""
}
