package schedule

import (
	"context"
	"log/slog"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
)

// Keeper begins the runs of a project when they are due, one at a time.
type Keeper struct {
	// Look gives the schedules and the past as they are now. An error means that
	// it cannot be told what is due: nothing is begun, and it is tried again.
	Look func(ctx context.Context) ([]config.Schedule, []Past, error)

	// Run does a run, and tells people about it. An error means that it did not
	// come to its end.
	Run func(ctx context.Context, c Choice) error

	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error // ctx's error if it ends first
	Log   *slog.Logger
}

// poll is how often the file and the lake are looked at while nothing is due,
// and how long is waited after an error.
const poll = time.Minute

// Keep looks, runs and sleeps until ctx ends. It is nil if nothing was going on
// then, and the error of the run that was interrupted otherwise.
func (k *Keeper) Keep(ctx context.Context) error {
	told := time.Time{}
	for ctx.Err() == nil {
		schedules, past, err := k.Look(ctx)
		if err != nil {
			if ctx.Err() == nil {
				k.Log.Error("it cannot be told what is due; trying again", "error", err, "in", poll)
			}
			_ = k.Sleep(ctx, poll) // it ends early only with ctx
			continue
		}
		now := k.Now()
		stands := Stands(schedules, past, now)
		choice, due := Next(stands, now)
		if !due {
			told = k.tell(stands, told)
			_ = k.Sleep(ctx, k.pause(stands, now))
			continue
		}
		if err := k.Run(ctx, choice); err != nil {
			if ctx.Err() != nil {
				return err
			}
			_ = k.Sleep(ctx, poll)
		}
	}
	return nil
}

// tell says once when something is due next.
func (k *Keeper) tell(stands []Stand, told time.Time) time.Time {
	wake := Wake(stands)
	if wake.IsZero() || wake.Equal(told) {
		return told
	}
	for _, st := range stands {
		k.Log.Info("waiting", "schedule", st.Schedule.Name, "mode", st.Schedule.Mode, "due", st.Due.Format(time.RFC3339))
	}
	return wake
}

// pause is until something is due, or until the next look.
func (k *Keeper) pause(stands []Stand, now time.Time) time.Duration {
	if wake := Wake(stands); !wake.IsZero() && wake.Sub(now) < poll {
		return wake.Sub(now)
	}
	return poll
}
