package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
)

// world is a clock, a past, and a keeper that lives in them. Nothing waits.
type world struct {
	now    time.Time
	past   []Past
	did    []string
	looks  int
	ends   time.Time // the process is stopped then
	stop   context.CancelFunc
	look   func() error // may fail
	result func(c Choice) (End, error)
}

func (w *world) keep(t *testing.T, schedules []config.Schedule) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	defer cancel()
	k := &Keeper{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
		Look: func(context.Context) ([]config.Schedule, []Past, error) {
			w.looks++
			if w.look != nil {
				if err := w.look(); err != nil {
					return nil, nil, err
				}
			}
			return schedules, w.past, nil
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.now = w.now.Add(d)
			if !w.now.Before(w.ends) {
				cancel()
			}
			return ctx.Err()
		},
		Run: func(_ context.Context, c Choice) error {
			w.did = append(w.did, fmt.Sprintf("%s %s", w.now.Format("02 15:04"), c.Schedule.Name))
			end, err := Succeeded, error(nil)
			if w.result != nil {
				end, err = w.result(c)
			}
			w.past = append(w.past, Past{Mode: c.Schedule.Mode, End: end, Started: w.now})
			return err
		}}
	return k.Keep(ctx)
}

func TestKeepRunsWhatIsDueWhenItIsDue(t *testing.T) {
	w := &world{now: at("05-10 00:30"), ends: at("05-10 04:30"), past: []Past{ran("sweep", Succeeded, "05-10 00:10")}}
	if err := w.keep(t, both(t)); err != nil {
		t.Errorf("idle at the end, and it is an error: %v", err)
	}
	want := []string{"10 01:05 hourly", "10 02:05 hourly", "10 02:15 nightly", "10 03:05 hourly", "10 04:05 hourly"}
	if !slices.Equal(w.did, want) {
		t.Errorf("%v, want %v", w.did, want)
	}
}

func TestKeepLooksAgainEveryMinuteAndBeginsNothingWhileItCannotTell(t *testing.T) {
	w := &world{now: at("05-10 00:30"), ends: at("05-10 02:00"), past: []Past{ran("sweep", Succeeded, "05-10 00:10")}}
	w.look = func() error {
		if !w.now.Before(at("05-10 01:00")) && w.now.Before(at("05-10 01:20")) {
			return errors.New("the store is away")
		}
		return nil
	}
	if err := w.keep(t, both(t)); err != nil {
		t.Error(err)
	}
	if want := []string{"10 01:20 hourly"}; !slices.Equal(w.did, want) {
		t.Errorf("%v, want %v", w.did, want)
	}
	if w.looks < 85 {
		t.Errorf("only %d looks in 90 minutes", w.looks)
	}
}

func TestKeepGoesOnAfterARunThatFailed(t *testing.T) {
	w := &world{now: at("05-10 00:30"), ends: at("05-10 03:30"), past: []Past{ran("sweep", Succeeded, "05-10 00:10")}}
	w.result = func(Choice) (End, error) { return Failed, errors.New("a system is away") }
	if err := w.keep(t, both(t)); err != nil {
		t.Error(err)
	}
	want := []string{"10 01:05 hourly", "10 02:05 hourly", "10 02:15 nightly", "10 03:05 hourly"}
	if !slices.Equal(w.did, want) {
		t.Errorf("%v, want %v", w.did, want)
	}
}

// A run that cannot begin is no attempt: another run holds the lease, or the store
// is away. It is tried again a minute later, not in a loop.
func TestKeepTriesARunAgainThatCouldNotBegin(t *testing.T) {
	w := &world{now: at("05-10 01:00"), ends: at("05-10 01:20"), past: []Past{ran("sweep", Succeeded, "05-10 00:10")}}
	tries := 0
	w.result = func(Choice) (End, error) {
		if tries++; tries < 4 {
			return Going, errors.New("another run is on")
		}
		return Succeeded, nil
	}
	if err := w.keep(t, both(t)); err != nil {
		t.Error(err)
	}
	want := []string{"10 01:05 hourly", "10 01:06 hourly", "10 01:07 hourly", "10 01:08 hourly"}
	if !slices.Equal(w.did, want) {
		t.Errorf("%v, want %v", w.did, want)
	}
}

func TestKeepGivesTheErrorOfTheRunThatWasInterrupted(t *testing.T) {
	stopped := errors.New("interrupted after a checkpoint")
	w := &world{now: at("05-10 01:00"), ends: at("05-11 01:00")}
	w.result = func(Choice) (End, error) { w.stop(); return Interrupted, stopped }
	if err := w.keep(t, both(t)); !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
	w = &world{now: at("05-10 01:00"), ends: at("05-11 01:00")}
	w.result = func(Choice) (End, error) { w.stop(); return Succeeded, nil }
	if err := w.keep(t, both(t)); err != nil {
		t.Errorf("the run came to its end before it could be stopped: %v", err)
	}
	if len(w.did) != 1 {
		t.Errorf("%v", w.did)
	}
}
