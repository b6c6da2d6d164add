package run_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/stages/run"
)

// history is what schedules see of the past, one line per run.
func (h *house) history() []string {
	h.t.Helper()
	var out []string
	must(h.t, h.life(func(p *process) error {
		session, err := p.session()
		if err != nil {
			return err
		}
		defer session.Close()
		past, err := run.History(p.t.Context(), session, "")
		for _, x := range past {
			how := []string{"succeeded", "failed", "interrupted", "died", "going"}[x.End]
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Mode, how, strings.Join(append(slices.Clone(x.Entities), x.Systems...), " "))))
		}
		return err
	}))
	slices.Sort(out)
	return out
}

// do is one run of this process with options of its own.
func (h *house) do(ctx context.Context, o run.Options) error { return h.doUntil(ctx, o, nil) }

func (h *house) doUntil(ctx context.Context, o run.Options, notice func(run.Event)) error {
	h.t.Helper()
	h.Advance(time.Hour)
	h.runs++
	o.ID = pipeline.RunID(fmt.Sprintf("run-%03d", h.runs))
	return h.life(func(p *process) error {
		p.job.Notice = notice
		_, err := run.Run(ctx, p.job, o)
		return err
	})
}

// Whole runs of every scope and end are seen by schedules, the newest ones of a
// kind; single stages are not.
func TestHistoryForSchedules(t *testing.T) {
	h := newHouse(t, setup{world: world.Options{Records: 5}})
	if got := h.history(); len(got) != 0 {
		t.Errorf("before the first run: %v", got)
	}
	all := run.Options{Mode: pipeline.Sweep, Stages: run.All()}
	must(t, h.do(t.Context(), all))
	must(t, h.do(t.Context(), run.Options{Mode: pipeline.Incremental, Stages: []run.Stage{run.Extract}}))
	must(t, h.do(t.Context(), run.Options{Mode: pipeline.Incremental, Stages: run.All(), Systems: []string{world.PMS}, Entities: []string{"bookings"}}))
	for range 5 {
		must(t, h.do(t.Context(), run.Options{Mode: pipeline.Incremental, Stages: run.All()}))
	}
	stopping, stop := context.WithCancel(t.Context())
	all.Still = func(context.Context) (bool, error) { return true, nil }
	if err := h.doUntil(stopping, all, func(run.Event) { stop() }); err == nil {
		t.Error("a run that is stopped half-way is no success")
	}
	want := []string{"incremental succeeded", "incremental succeeded", "incremental succeeded", "incremental succeeded bookings pms",
		"sweep interrupted", "sweep succeeded"}
	if got := h.history(); !slices.Equal(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

// A run that finds its work done when it gets the lease leaves nothing behind.
func TestARunThatIsNotDueAnyMoreLeavesNothing(t *testing.T) {
	h := newHouse(t, setup{world: world.Options{Records: 5}})
	must(t, h.do(t.Context(), run.Options{Mode: pipeline.Sweep, Stages: run.All()}))
	before := h.files()
	err := h.do(t.Context(), run.Options{Mode: pipeline.Sweep, Stages: run.All(), Still: func(context.Context) (bool, error) { return false, nil }})
	if !errors.Is(err, run.ErrDone) {
		t.Errorf("%v", err)
	}
	broken := errors.New("the store is away")
	err = h.do(t.Context(), run.Options{Mode: pipeline.Sweep, Stages: run.All(), Still: func(context.Context) (bool, error) { return false, broken }})
	if !errors.Is(err, broken) || errors.Is(err, run.ErrDone) {
		t.Errorf("%v", err)
	}
	if got := h.history(); !slices.Equal(got, []string{"sweep succeeded"}) {
		t.Errorf("%v", got)
	}
	must(t, h.do(t.Context(), run.Options{Mode: pipeline.Sweep, Stages: run.All()})) // the lease is free
	if h.files() == before {
		t.Error("nothing was written by the last run")
	}
}
