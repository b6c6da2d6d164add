package main

import (
	"context"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/duck"
	"github.com/trueup-data/trueup/stages/run"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

// scheduleReport is where a schedule stands, as status gives it to programs.
type scheduleReport struct {
	Schedule    string     `json:"schedule"`
	Mode        string     `json:"mode"`
	Cron        string     `json:"cron"` // with its zone
	Due         time.Time  `json:"due"`
	Overdue     bool       `json:"overdue"`
	LastSuccess *time.Time `json:"last_success,omitempty"`
	Stale       bool       `json:"stale"`
}

// scheduleReports tells where the schedules of a project stand.
func scheduleReports(ctx context.Context, session *duck.Session, project *config.Project, holder string, now time.Time) ([]scheduleReport, error) {
	past, err := run.History(ctx, session, holder)
	if err != nil {
		return nil, err
	}
	var out []scheduleReport
	for _, st := range schedule.Stands(project.Schedules, past, now) {
		r := scheduleReport{Schedule: st.Schedule.Name, Mode: st.Schedule.Mode, Cron: st.Schedule.Times.String(), Due: st.Due, Overdue: st.Overdue, Stale: st.Stale}
		if !st.Success.IsZero() {
			r.LastSuccess = &st.Success
		}
		out = append(out, r)
	}
	return out, nil
}

// printSchedules says what is due when, and what is overdue.
func (c *cli) printSchedules(all []scheduleReport) {
	late := false
	for _, r := range all {
		switch {
		case !r.Overdue:
			c.say("schedule %s: %s, due %s", r.Schedule, r.Mode, zoned(r.Due))
		case r.LastSuccess == nil:
			c.say("schedule %s: %s, overdue: it never ran", r.Schedule, r.Mode)
		default:
			c.say("schedule %s: %s, overdue since %s", r.Schedule, r.Mode, zoned(r.Due))
		}
		late = late || r.Overdue
	}
	if late {
		c.say("help: trueup serve runs what is due; trueup run --mode sweep does it once")
	}
}

// zoned is a time with its zone, as the cron line means it.
func zoned(t time.Time) string { return t.Format("2006-01-02 15:04 MST") }
