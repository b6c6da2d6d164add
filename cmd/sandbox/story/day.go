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
	actions int // of people
	kill    int // the run dies at this effect; 0: it lives
}

// workday is the first n hours of a day that begins at 8. One run dies half-way,
// in an hour with much to send, and not the last one.
func workday(n int) []hour {
	actions := []int{12, 20, 16, 60, 8, 14, 18, 15, 12, 16, 10, 6}
	hours := make([]hour, n)
	for i := range hours {
		hours[i].actions = actions[i%len(actions)]
	}
	hours[min(3, n-2)] = hour{actions: 60, kill: 15}
	return hours
}

// roughness is the share of requests that each kind of fault hits: with fourteen
// kinds it is bad weather.
const roughness = 0.01

// day lets people work for a day on a bad network, with a run every hour.
func (t *teller) day(ctx context.Context) error {
	t.say("\nA day at the office: people edit in both systems, the network is bad, and every hour there is")
	t.command("run")
	t.row("", "people", "the run", "the network")
	if err := t.world.SetFaults(world.Rough(roughness)...); err != nil {
		return err
	}
	for _, h := range workday(t.Hours) {
		if _, err := t.world.Live(time.Hour, h.actions, world.Mix{}); err != nil {
			return fmt.Errorf("let people work: %w", err)
		}
		if err := t.hourly(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) row(at, people, did, network string) {
	t.say("%s", clip(strings.TrimRight(fmt.Sprintf("  %-5s  %-41s  %-48s  %s", at, people, did, network), " "), width))
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
	did := figures(e.text, "read", "sent", "unclear", "stale", "refused", "in doubt", "put off")
	if strings.Contains(e.text, "partial") {
		did += ", read partly"
	}
	t.hour(did)
	if t.resumes {
		t.resumes = false
		t.say("         First it watched the dead run's lease until it was over. Then, before anything else:")
		for _, line := range linesWith(e.text, "settled") {
			t.say("         %s", withoutZeros(line))
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
	t.hero, t.resumes = t.keyOf(last), true
	t.hour("KILLED (kill -9), half-way")
	t.say("         Its last act: %s %s (%s). It took effect; no answer was read.", last.Method, last.Path, t.hero)
	return nil
}

// keyOf is the booking that a request changed.
func (t *teller) keyOf(r world.Request) string {
	for _, e := range t.world.Effects() {
		if e.Seq == r.Effect {
			return e.Key
		}
	}
	return ""
}
