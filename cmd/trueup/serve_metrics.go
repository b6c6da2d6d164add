package main

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/review/story"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

// gauges reads the lake when it is scraped: what it tells is stored, so that a
// restart forgets nothing. Which figures there are depends on what runs left, so
// nothing is described beforehand.
type gauges struct{ w *watch }

// Describe describes nothing.
func (gauges) Describe(chan<- *prometheus.Desc) {}

// Collect gives everything that is known now.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookFor)
	defer cancel()
	s, err := g.w.sight(ctx)
	project := g.w.project()
	e := emitter{out}
	e.process(g.w, err == nil)
	e.schedules(schedule.Stands(project.Schedules, s.past, g.w.now()), g.w.now().UnixMilli())
	e.waiting(s.status)
	for _, r := range s.ended {
		e.counter("trueup_runs_total", "Runs that ended, by mode and state.", float64(r.Runs), "mode", r.Mode, "state", r.State)
	}
	for _, f := range s.figures {
		if _, known := project.System(f.System); known || f.System == "" {
			e.figure(project, f)
		}
	}
}

type emitter struct{ out chan<- prometheus.Metric }

// gauge emits a value with pairs of a label and its value.
func (e emitter) gauge(name, help string, v float64, labels ...string) {
	e.emit(prometheus.GaugeValue, name, help, v, labels)
}

func (e emitter) counter(name, help string, v float64, labels ...string) {
	e.emit(prometheus.CounterValue, name, help, v, labels)
}

func (e emitter) emit(kind prometheus.ValueType, name, help string, v float64, pairs []string) {
	var names, values []string
	for pair := range slices.Chunk(pairs, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, v, values...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (e emitter) process(w *watch, store bool) {
	e.gauge("trueup_build_info", "The program that runs; always 1.", 1, "version", versions()["trueup"])
	e.gauge("trueup_project_valid", "1 while the project file on disk is in force.", truth(w.trouble.Load() == nil))
	e.gauge("trueup_store_up", "1 if the store answered just now.", truth(store))
	e.gauge("trueup_run_going", "1 while this process has a run on.", float64(w.going.Load()))
}

func (e emitter) schedules(stands []schedule.Stand, nowMilli int64) {
	for _, st := range stands {
		name := st.Schedule.Name
		e.gauge("trueup_schedule_due_timestamp_seconds", "When the schedule is due next, or since when.", float64(st.Due.Unix()), "schedule", name)
		e.gauge("trueup_schedule_overdue", "1 if it is due and no run has answered yet.", truth(st.Overdue), "schedule", name)
		e.gauge("trueup_schedule_stale", "1 if two moments went by since the last success began, or there is none.", truth(st.Stale), "schedule", name)
		if !st.Success.IsZero() {
			e.gauge("trueup_schedule_seconds_since_success", "Seconds since the last run began that did the work of the schedule.",
				float64(nowMilli-st.Success.UnixMilli())/1000, "schedule", name)
		}
	}
}

// waiting tells what is not finished; what there is none of is zero.
func (e emitter) waiting(st story.Status) {
	for _, state := range []string{tables.ChangePlanned, tables.ChangeReady, tables.ChangeHeld, tables.ChangeSent, tables.ChangeInDoubt} {
		e.gauge("trueup_changes_open", "Changes that are not finished, by state.", float64(st.Changes[state]), "state", state)
	}
	open := map[string]int{"high": 0, "medium": 0, "low": 0}
	for _, f := range st.Findings {
		open[f.Severity]++
	}
	for severity, n := range open {
		e.gauge("trueup_findings_open", "Open findings, by severity.", float64(n), "severity", severity)
	}
}

// figure emits what the newest run left: extract.read is trueup_last_extract_read.
// Latencies are in seconds, whatever is called milliseconds in those.
func (e emitter) figure(project *config.Project, f story.Figure) {
	if _, known := project.Entity(f.Entity); !known && f.Entity != "" {
		return
	}
	name := "trueup_last_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, f.Name)
	if strings.HasPrefix(f.Name, "latency_") {
		name += "_seconds"
	}
	e.gauge(name, "The figure "+f.Name+" of the newest run that has it.", f.Value, "entity", f.Entity, "system", f.System)
}
