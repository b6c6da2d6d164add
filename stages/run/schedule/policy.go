// Package schedule decides when runs begin by themselves: what is due follows
// from the project's schedules, the runs that the lake knows, and the time. It
// keeps nothing between two looks, so a restart changes nothing. It must never
// read a clock of its own, open a store, or know what a run does.
package schedule

import (
	"cmp"
	"slices"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
)

// End says how a run ended, as far as schedules care.
type End int

// How a run ended.
const (
	Succeeded   End = iota // it came to its end; a person may be needed
	Failed                 // it came to an end of its own, with an error
	Interrupted            // somebody stopped it
	Died                   // it never said how it ended, and holds no lease
	Going                  // it holds the lease
)

// Past is one run of all stages, by whomever it was begun. Empty lists mean all.
type Past struct {
	Mode     string
	Entities []string
	Systems  []string
	End      End
	Started  time.Time
}

// Stand is where a schedule stands.
type Stand struct {
	Schedule config.Schedule
	Due      time.Time // the first moment that no run has answered; now for one that never ran
	Overdue  bool      // Due is not in the future
	Success  time.Time // when the last run that did its work began; zero: there is none
	Stale    bool      // two moments have gone by since then
}

// Choice is the run that should begin now.
type Choice struct {
	Schedule config.Schedule
	Due      time.Time
	Includes []string // other schedules that are due and get their work done by it
}

const (
	// skew is how far another machine's clock may be ahead; a run that began
	// later than that is nobody's, or no schedule would ever be due again.
	skew = 5 * time.Minute

	// deaths is after how many runs that died a moment is given up until the
	// next one: what kills every run must not be begun again all day.
	deaths = 2
)

// Stands tells of every schedule where it stands, in the order of the file. What
// counts is any run that covers the schedule and began at the moment or later:
//
//   - However many moments went by, one run answers all of them.
//   - A run that failed has answered: the next one comes at the next moment.
//   - A run that was interrupted or died has not, but one that died twice has.
//   - A schedule that no run ever covered is due at once.
func Stands(schedules []config.Schedule, past []Past, now time.Time) []Stand {
	out := make([]Stand, len(schedules))
	for i, s := range schedules {
		out[i] = standOf(s, past, now)
	}
	return out
}

func standOf(s config.Schedule, past []Past, now time.Time) Stand {
	var answered time.Time
	var died []time.Time
	st := Stand{Schedule: s}
	for _, p := range past {
		if !p.covers(s) || p.Started.After(now.Add(skew)) {
			continue
		}
		switch p.End {
		case Succeeded:
			st.Success, answered = later(st.Success, p.Started), later(answered, p.Started)
		case Failed:
			answered = later(answered, p.Started)
		case Died:
			died = append(died, p.Started)
		case Interrupted, Going:
		}
	}
	st.Due = due(s, answered, died, now)
	st.Overdue = !st.Due.After(now)
	st.Stale = st.Success.IsZero() || !s.Times.Next(s.Times.Next(st.Success)).After(now)
	return st
}

// due is the first moment that is not answered.
func due(s config.Schedule, answered time.Time, died []time.Time, now time.Time) time.Time {
	first := func() time.Time {
		if answered.IsZero() {
			return time.Time{}
		}
		return s.Times.Next(answered)
	}
	since := slices.DeleteFunc(died, func(t time.Time) bool { return t.Before(first()) })
	if len(since) >= deaths {
		answered = slices.MaxFunc(since, time.Time.Compare)
	}
	if answered.IsZero() {
		return now
	}
	return first()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// covers reports whether a run does the work of a schedule: a sweep reads
// whatever an incremental run reads.
func (p Past) covers(s config.Schedule) bool {
	return (p.Mode == s.Mode || p.Mode == "sweep") && holds(p.Entities, s.Entities) && holds(p.Systems, s.Systems)
}

// holds reports whether every name of b is in a; an empty list holds all.
func holds(a, b []string) bool {
	if len(a) == 0 {
		return true
	}
	return len(b) > 0 && !slices.ContainsFunc(b, func(name string) bool { return !slices.Contains(a, name) })
}

// Next chooses the run that should begin now; false if none is due. A sweep
// comes first; of equals the one that is due longest.
func Next(stands []Stand, now time.Time) (Choice, bool) {
	var waiting []Stand
	for _, st := range stands {
		if st.Overdue {
			waiting = append(waiting, st)
		}
	}
	if len(waiting) == 0 {
		return Choice{}, false
	}
	slices.SortStableFunc(waiting, func(a, b Stand) int {
		return cmp.Or(-cmp.Compare(a.Schedule.Mode, b.Schedule.Mode), cmp.Compare(included(b, waiting), included(a, waiting)), a.Due.Compare(b.Due))
	})
	chosen := waiting[0]
	c := Choice{Schedule: chosen.Schedule, Due: chosen.Due}
	for _, other := range waiting[1:] {
		if asRun(chosen.Schedule, now).covers(other.Schedule) {
			c.Includes = append(c.Includes, other.Schedule.Name)
		}
	}
	return c, true
}

// included counts the schedules whose work a run of st does.
func included(st Stand, all []Stand) (n int) {
	for _, other := range all {
		if asRun(st.Schedule, time.Time{}).covers(other.Schedule) {
			n++
		}
	}
	return n
}

func asRun(s config.Schedule, at time.Time) Past {
	return Past{Mode: s.Mode, Entities: s.Entities, Systems: s.Systems, Started: at}
}

// Wake is when something is due next; zero if there are no schedules.
func Wake(stands []Stand) time.Time {
	var first time.Time
	for _, st := range stands {
		if first.IsZero() || st.Due.Before(first) {
			first = st.Due
		}
	}
	return first
}
