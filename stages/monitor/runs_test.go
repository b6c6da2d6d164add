package monitor

import (
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/trueup-data/trueup/pipeline/delta"
	"github.com/trueup-data/trueup/pipeline/tables"
)

// recorder writes the figures that runs would have stored.
type recorder struct {
	*platform
	metrics, runs *delta.Rows
	pending       map[string][2]float64 // by stream: inserts and updates that no pass has read yet
}

// record plays all hours and gives the rows of metrics and runs.
func (p *platform) record() (metrics, runs arrow.RecordBatch) {
	w := &recorder{platform: p, metrics: delta.NewRows(tables.Metrics()), runs: delta.NewRows(tables.Runs()), pending: map[string][2]float64{}}
	for h := range p.hours {
		w.hour(h)
	}
	return w.metrics.Batch(), w.runs.Batch()
}

func runAt(h int) time.Time { return began.Add(time.Duration(h) * time.Hour) }

func runID(h int) string { return fmt.Sprintf("run-%05d", h) }

func (w *recorder) put(h int, entity, system, field, name string, v float64) {
	w.metrics.Text(runID(h)).Text(name).Text(entity).Text(system).Optional(field).Real(v).Time(runAt(h))
}

func (w *recorder) hour(h int) {
	_, none := w.on("no_run", "", "", h)
	told := map[string]float64{} // changes by entity
	read := map[string]float64{} // by system
	for _, s := range w.shapes {
		n := w.happen(s, h)
		if none {
			continue
		}
		told[s.entity] += n
		read[s.system] += n
	}
	if none {
		return
	}
	w.runs.Text(runID(h)).Text("incremental").Text("done").Number(int64(h)).Time(runAt(h)).Time(runAt(h)).Time(runAt(h)).Text("p").Number(0).Text("{}")
	for _, e := range entities {
		conflicts := w.poisson(0.01 * told[e])
		if t, on := w.on("conflict_spike", e, "", h); on {
			conflicts += w.poisson(t.size)
		}
		w.put(h, e, "", "", "reconcile.conflicts", conflicts)
	}
	for _, s := range systems {
		w.api(s, h, read[s])
	}
}

// happen lets an hour go by in a stream and reads it; it gives how much was new or changed.
func (w *recorder) happen(s shape, h int) float64 {
	f := w.activity(s, h)
	if t, on := w.on("volume_spike", s.entity, s.system, h); on {
		f *= t.size
	}
	if t, on := w.on("volume_drop", s.entity, s.system, h); on {
		f *= t.size
	}
	id := s.entity + "@" + s.system
	waiting := w.pending[id]
	waiting[0] += w.poisson(f * s.inserts)
	waiting[1] += w.poisson(f * s.updates)
	w.pending[id] = waiting
	if _, none := w.on("no_run", "", "", h); none {
		return 0
	}
	_, out := w.on("outage", s.entity, s.system, h)
	_, failed := w.on("freshness", s.entity, s.system, h)
	if out || failed {
		w.pass(s, h, 2, [2]float64{})
		return 0
	}
	w.pending[id] = [2]float64{}
	w.pass(s, h, 0, waiting)
	w.fields(s, h, waiting[0]+waiting[1])
	return waiting[0] + waiting[1]
}

// pass stores what extract says of a pass.
func (w *recorder) pass(s shape, h int, state float64, told [2]float64) {
	sweep := h%24 == nightly
	figures := map[string]float64{"extract.state": state, "extract.inserted": told[0], "extract.updated": told[1], "extract.sweep": 0, "extract.baseline": 0}
	if sweep {
		figures["extract.sweep"] = 1
	}
	extra := func(name, kind string, usual float64) {
		if state != 0 {
			usual = 0
		}
		v := w.poisson(usual)
		if t, on := w.on(kind, s.entity, s.system, h); on && state == 0 {
			v += w.poisson(t.size)
		}
		figures[name] = v
	}
	share := (told[0] + told[1]) / (s.inserts + s.updates)
	extra("extract.deleted", "unexpected_deletion", s.deletes*share)
	extra("extract.late", "late_arrivals", s.late*share)
	extra("extract.dead_letters", "dead_letters", 0.01)
	rare := 0.0
	if sweep {
		rare = 0.1
	}
	extra("extract.missing", "missing_records", rare)
	extra("extract.missed", "sweep_disagreement", 2*rare)
	for _, name := range []string{"extract.state", "extract.inserted", "extract.updated", "extract.sweep", "extract.baseline",
		"extract.deleted", "extract.late", "extract.dead_letters", "extract.missing", "extract.missed"} {
		w.put(h, s.entity, s.system, "", name, figures[name])
	}
}

// fields stores what extract says of three fields: one with five values, one
// that is a price, one that is often null.
func (w *recorder) fields(s shape, h int, n float64) {
	if n == 0 {
		return
	}
	schema, drifts := w.on("schema_drift", s.entity, s.system, h)
	absent, undeclared := 0.0, 0.0
	if drifts && schema.field == "status" {
		absent = w.share(n, schema.size)
	} else if drifts {
		undeclared = w.share(n, schema.size)
	}
	nulls := s.nullShare
	if t, on := w.on("null_drift", s.entity, s.system, h); on {
		nulls = t.size
	}
	size := s.size + 0.7*w.r.NormFloat64()/math.Sqrt(n)
	if t, on := w.on("value_drift", s.entity, s.system, h); on {
		size += t.size
	}
	w.put(h, s.entity, s.system, "", "extract.undeclared", undeclared)
	w.put(h, s.entity, s.system, "status", "field.absent", absent)
	w.put(h, s.entity, s.system, "status", "field.nulls", 0)
	w.put(h, s.entity, s.system, "status", "field.distinct", min(n-absent, 2+w.share(3, 1-math.Pow(0.9, n))))
	w.put(h, s.entity, s.system, "price", "field.absent", 0)
	w.put(h, s.entity, s.system, "price", "field.nulls", w.share(n, 0.02))
	w.put(h, s.entity, s.system, "price", "field.distinct", math.Round(0.9*n))
	w.put(h, s.entity, s.system, "price", "field.size", size)
	w.put(h, s.entity, s.system, "notes", "field.nulls", w.share(n, nulls))
	w.put(h, s.entity, s.system, "notes", "field.absent", w.share(n, 0.05))
}

// api stores what the connectors count of a system.
func (w *recorder) api(system string, h int, told float64) {
	requests := math.Round(30 + told/20)
	retries, throttles, failures := w.share(requests, 0.004), w.share(requests, 0.004), w.share(requests, 0.004)
	if w.r.IntN(100) == 0 { // a hiccup that nobody has to know of
		failures += math.Round(0.05 * requests)
	}
	latency := w.latency[system] * math.Exp(0.15*w.r.NormFloat64()) * (1 + 0.2*math.Sin(2*math.Pi*float64(h)/24))
	if t, on := w.on("api_slowdown", "", system, h); on {
		latency *= t.size
	}
	t, storm := w.on("retry_storm", "", system, h)
	if o, out := w.on("outage", "", system, h); out {
		t, storm, latency = o, true, latency*3
	}
	if storm {
		retries, failures = w.share(requests, t.size), w.share(requests, t.size/2)
	}
	for name, v := range map[string]float64{"requests": requests, "retries": retries, "throttles": throttles, "failures": failures, "latency_p95": latency} {
		w.put(h, "", system, "", name, v)
	}
}
