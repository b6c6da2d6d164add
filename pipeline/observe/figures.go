package observe

import (
	"sort"
	"sync"
	"time"
)

// Names of figures. Counts are whole numbers, latencies seconds.
const (
	Requests   = "requests"
	Failures   = "failures"
	Retries    = "retries"
	Throttles  = "throttles"
	LatencyP50 = "latency_p50"
	LatencyP95 = "latency_p95"
	LatencyP99 = "latency_p99"
	LatencyMax = "latency_max"
)

// Figure is one number of a run. Entity is empty for what belongs to a system
// as a whole, Field for what belongs to no field.
type Figure struct {
	Entity, System, Field, Name string
	Value                       float64
}

// Figures counts what a run does. It is safe for concurrent use. What was
// declared and never happened is stored as zero: a figure that is missing says
// nothing, one that is zero does.
type Figures struct {
	mu        sync.Mutex
	values    map[Figure]float64 // key: the figure with Value 0
	latencies map[string]*Quantiles
}

// NewFigures makes an empty set.
func NewFigures() *Figures {
	return &Figures{values: map[Figure]float64{}, latencies: map[string]*Quantiles{}}
}

// Declare makes the figures of a system exist, at zero.
func (f *Figures) Declare(system string) {
	for _, name := range []string{Requests, Failures, Retries, Throttles} {
		f.Add("", system, name, 0)
	}
}

// Add adds to a count; adding 0 makes it exist.
func (f *Figures) Add(entity, system, name string, n float64) {
	f.AddField(entity, system, "", name, n)
}

// AddField adds to the count of a field.
func (f *Figures) AddField(entity, system, field, name string, n float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[Figure{Entity: entity, System: system, Field: field, Name: name}] += n
}

// Set replaces a figure, for what is measured and not counted.
func (f *Figures) Set(entity, system, name string, v float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[Figure{Entity: entity, System: system, Name: name}] = v
}

// Rows counts rows of a stream under a name of the caller: "rows_read", "inserts".
func (f *Figures) Rows(entity, system, name string, n int64) {
	f.Add(entity, system, name, float64(n))
}

// Request counts a request and its latency.
func (f *Figures) Request(system string, latency time.Duration, failed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[Figure{System: system, Name: Requests}]++
	if failed {
		f.values[Figure{System: system, Name: Failures}]++
	}
	q := f.latencies[system]
	if q == nil {
		q = &Quantiles{}
		f.latencies[system] = q
	}
	q.Add(latency)
}

// Retry counts a request that is sent again.
func (f *Figures) Retry(system string) { f.Add("", system, Retries, 1) }

// Throttle counts an answer that asked for less.
func (f *Figures) Throttle(system string) { f.Add("", system, Throttles, 1) }

// Snapshot lists all figures in the order of entity, system, field, name.
// Latencies of a system without requests are not listed: they are unknown.
func (f *Figures) Snapshot() []Figure {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Figure, 0, len(f.values)+4*len(f.latencies))
	for key, v := range f.values {
		key.Value = v
		out = append(out, key)
	}
	for system, q := range f.latencies {
		for name, p := range map[string]float64{LatencyP50: 0.5, LatencyP95: 0.95, LatencyP99: 0.99, LatencyMax: 1} {
			out = append(out, Figure{System: system, Name: name, Value: q.At(p).Seconds()})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].less(out[j]) })
	return out
}

func (f Figure) less(g Figure) bool {
	a, b := [4]string{f.Entity, f.System, f.Field, f.Name}, [4]string{g.Entity, g.System, g.Field, g.Name}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
