package story

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

// before says what there is.
func (t *teller) before(context.Context) error {
	var parts []string
	for _, system := range t.world.Systems() {
		about, _, _ := strings.Cut(t.world.About(system), ":")
		about, _, _ = strings.Cut(about, ",")
		parts = append(parts, fmt.Sprintf("%s (%s, %s)", system, about, thousands(t.holds(system))))
	}
	t.paragraph("Five systems of a letting agency hold the same records, and disagree in places: " + strings.Join(parts, ", ") +
		fmt.Sprintf(". All are simulated (seed %d). %s says what their fields mean, and who is right.", t.Seed, t.project))
	return nil
}

// holds is how many records a system has.
func (t *teller) holds(system string) int {
	n := 0
	for _, entity := range world.Entities() {
		n += len(t.world.Of(entity).Records(system))
	}
	return n
}

// install makes the lake and checks the project file.
func (t *teller) install(ctx context.Context) error {
	t.say("")
	t.say("$ trueup init && trueup validate")
	if _, err := t.trueup(ctx, "init"); err != nil {
		return err
	}
	e, err := t.trueup(ctx, "validate")
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(e.text, "\n")
	t.say("  %s", clip(line, width))
	return nil
}

// shownChanges is how many lines of the first plan are printed.
const shownChanges = 2

// firstPlan reads everything, shows what would be sent, approves and sends it.
func (t *teller) firstPlan(ctx context.Context) error {
	t.say("\n%s  The first sweep reads everything and sends nothing: it plans.", t.clock())
	t.command("run", "--mode", "sweep")
	e, err := t.run(ctx, "--mode", "sweep")
	if err != nil {
		return err
	}
	t.list("read", bySystem(e.text, "extracted"))
	t.say("  reconciled    %s", figures(e.text, "keys judged", "golden records written", "sides overridden"))
	if t.plan = planIn(e.text); t.plan == "" {
		return errors.New("the first sweep offers no plan to approve:\n" + e.text)
	}
	if err := t.showPlan(ctx); err != nil {
		return err
	}
	return t.approve(ctx)
}

func (t *teller) showPlan(ctx context.Context) error {
	t.command("plan")
	e, err := t.trueup(ctx, "plan")
	if err != nil {
		return err
	}
	lines := linesWith(e.text, "create", "update", "delete")
	step := max(len(lines)/shownChanges, 1)
	for i := 0; i < len(lines) && i < step*shownChanges; i += step {
		t.say("  %s", clip(lines[i], width))
	}
	t.say("  ... %s", planSum(e.text))
	return nil
}

func (t *teller) approve(ctx context.Context) error {
	t.say("$ trueup approve %s && trueup load", t.plan)
	e, err := t.trueup(ctx, "approve", t.plan, "--by", "the reader of this demo")
	if err != nil {
		return err
	}
	if decided(e.text) == 0 {
		return errors.New("the plan was to be approved, and nothing was:\n" + e.text)
	}
	if e, err = t.trueup(ctx, t.at("load")...); err != nil {
		return err
	}
	t.list("loaded", bySystem(e.text, "loaded"))
	t.told()
	return nil
}

// told forgets what was told so far, and returns what happened since.
func (t *teller) told() ([]world.Request, []world.Edit) {
	requests, edits := t.world.Requests(), t.world.Edits()
	newRequests, newEdits := requests[t.requests:], edits[t.edits:]
	t.requests, t.edits = len(requests), len(edits)
	return newRequests, newEdits
}

// clock is the world's time for people.
func (t *teller) clock() string { return t.world.Now().Format("Mon 15:04") }
