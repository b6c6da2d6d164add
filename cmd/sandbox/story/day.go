package story

import (
	"context"
	"fmt"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// hour is what happens between two hourly runs.
type hour struct {
	actions int       // of people
	mix     world.Mix // zero: an ordinary office
	kill    int       // the run dies at this effect; 0: it lives
}

// workday is the hours of the day, from 8 to 20.
func workday() []hour {
	return []hour{{actions: 12}, {actions: 20}, {actions: 16}, {actions: 60, kill: 25}, {actions: 8}, {actions: 14},
		{actions: 18}, {actions: 15}, {actions: 12}, {actions: 16}, {actions: 10}, {actions: 6}}
}

// roughness is the share of requests that each kind of fault hits: with fourteen
// kinds it is bad weather.
const roughness = 0.01

// day lets people work for a day on a bad network, with a run every hour.
func (t *teller) day(ctx context.Context) error {
	t.say("\nA day at the office. People edit in both systems, the network is bad, and cron says `trueup run` every hour.")
	if err := t.world.SetFaults(world.Rough(roughness)...); err != nil {
		return err
	}
	for _, h := range workday() {
		if _, err := t.world.Live(time.Hour, h.actions, h.mix); err != nil {
			return fmt.Errorf("let people work: %w", err)
		}
		if err := t.hourly(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

func (t *teller) hourly(ctx context.Context, h hour) error {
	if h.kill > 0 {
		return t.killed(ctx, h)
	}
	e, err := t.run(ctx)
	if err != nil {
		return err
	}
	t.row(figures(e.text, "read", "sent", "already true", "stale", "refused", "in doubt", "put off"))
	return nil
}

// row tells one hour: the time, what people did, what the run did, what went wrong.
func (t *teller) row(did string) {
	requests, edits := t.told()
	t.say("  %s  %-38s %-34s %s", t.clock(), people(edits), did, faultsOf(requests))
}

// killed starts a run and kills it right after a write took effect and before its
// answer, then tells what the next run makes of that.
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
	t.row("kill -9")
	t.say("             dead after %s %s took effect there and before its answer: nobody knows what happened", last.Method, last.Path)
	t.hero = t.keyOf(last)
	if e, err = t.run(ctx); err != nil {
		return err
	}
	t.row(figures(e.text, "read", "sent", "already true", "stale", "refused", "in doubt", "put off"))
	t.say("             it waited until the dead run's lease was over (%s), then looked at what was in doubt: nothing sent twice",
		e.took.Round(time.Second))
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
