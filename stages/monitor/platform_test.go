package monitor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A simulated platform over eight weeks of hourly runs: five systems, four
// entities, twenty streams, each with its own size, season, growth and noise, two
// holidays, lasting changes of level, and incidents of every kind with the truth
// about them.

const nightly = 2 // the hour of the sweep

var (
	systems  = []string{"pms", "airbnb", "booking", "tasks", "inbox"}
	entities = []string{"bookings", "prices", "messages", "jobs"}
	began    = time.Date(2026, 3, 2, 0, 5, 0, 0, time.UTC) // a Monday; clocks change in the fourth week
)

// trouble is one incident and what is true of it.
type trouble struct {
	kind           string
	entity, system string // empty: all
	field          string
	from, to       int // hours, the last one included
	size           float64
}

// covers reports whether the trouble is on at a stream and an hour.
func (t trouble) covers(kind, entity, system string, h int) bool {
	return t.kind == kind && h >= t.from && h <= t.to &&
		(t.entity == "" || t.entity == entity) && (t.system == "" || t.system == system)
}

// shape is how a stream lives.
type shape struct {
	entity, system           string
	inserts, updates         float64 // per hour at the mean of the week
	weekend, night, growth   float64
	peak                     float64 // hour of the day
	noise, daily             float64 // sizes of what nobody can foresee
	deletes, late, nullShare float64
	shift                    int // hour of a lasting change of level; 0: none
	factor                   float64
	size                     float64 // of the logarithm of its prices
}

type platform struct {
	hours    int // that it is simulated
	r        *rand.Rand
	zone     *time.Location
	shapes   []shape
	latency  map[string]float64
	troubles []trouble
	holidays []int // days
	days     map[string]float64
}

func newPlatform(seed uint64, weeks, incidents int) *platform {
	zone, err := time.LoadLocation("Europe/Lisbon")
	if err != nil {
		panic(err) // the tests' machine has the zones
	}
	p := &platform{hours: weeks * 7 * 24, r: rand.New(rand.NewPCG(seed, 7)), zone: zone, latency: map[string]float64{}, days: map[string]float64{}}
	for _, s := range systems {
		p.latency[s] = p.between(0.1, 0.9)
		for _, e := range entities {
			p.shapes = append(p.shapes, p.newShape(e, s))
		}
	}
	for len(p.holidays) < 2 {
		if day := p.r.IntN(7 * weeks); p.weekday(day) {
			p.holidays = append(p.holidays, day)
		}
	}
	p.plan(incidents)
	return p
}

func (p *platform) weekday(day int) bool { return day%7 < 5 }

func (p *platform) between(low, high float64) float64 { return low + (high-low)*p.r.Float64() }

// size is log-uniform.
func (p *platform) size(low, high float64) float64 {
	return math.Exp(p.between(math.Log(low), math.Log(high)))
}

func (p *platform) newShape(entity, system string) shape {
	s := shape{entity: entity, system: system, inserts: p.size(2, 120), weekend: p.between(0.3, 1.2), night: p.between(0.05, 0.6),
		growth: p.between(-0.02, 0.05), peak: p.between(10, 20), noise: p.between(0.05, 0.2), daily: p.between(0.02, 0.1),
		nullShare: p.between(0.05, 0.5), size: p.between(3, 6), factor: 1}
	s.updates = s.inserts * p.between(1, 4)
	s.deletes, s.late = p.between(0.002, 0.02)*s.updates, p.between(0.001, 0.02)*s.updates
	if p.r.IntN(3) == 0 {
		s.shift, s.factor = 24*14+p.r.IntN(24*28), []float64{0.5, 0.6, 1.7, 2.2}[p.r.IntN(4)]
	}
	return s
}

// kinds are what goes wrong, one after the other.
var kinds = []string{"volume_spike", "volume_drop", "unexpected_deletion", "missing_records", "freshness", "api_slowdown", "retry_storm",
	"conflict_spike", "dead_letters", "null_drift", "value_drift", "schema_drift", "late_arrivals", "sweep_disagreement", "outage"}

// plan spreads n incidents over the weeks: none on what has another one within a
// day. Lasting changes of level come on top.
func (p *platform) plan(n int) {
	p.troubles = append(p.troubles, trouble{kind: "no_run", from: p.hours/3 + 3, to: p.hours/3 + 8}, trouble{kind: "no_run", from: 2*p.hours/3 + 14, to: 2*p.hours/3 + 17})
	for _, s := range p.shapes {
		if s.shift > 0 && s.shift < p.hours {
			p.troubles = append(p.troubles, trouble{kind: "level", entity: s.entity, system: s.system, from: s.shift, to: s.shift + 96})
		}
	}
	for placed, tries := 2, 0; placed < n && tries < 100*n; tries++ {
		if t := p.draw(kinds[tries%len(kinds)]); p.free(t) {
			p.troubles = append(p.troubles, t)
			placed++
		}
	}
}

// alone are the kinds that show in figures of their own, and say nothing of others.
var alone = map[string]string{"api_slowdown": "api", "retry_storm": "api", "conflict_spike": "conflicts"}

func (p *platform) free(t trouble) bool {
	return !slices.ContainsFunc(p.troubles, func(o trouble) bool {
		apart := alone[t.kind] != alone[o.kind] || t.system != "" && o.system != "" && t.system != o.system || t.entity != "" && o.entity != "" && t.entity != o.entity
		return !apart && t.from <= o.to+26 && o.from <= t.to+26
	})
}

func (p *platform) draw(kind string) trouble {
	s := p.shapes[p.r.IntN(len(p.shapes))]
	from := 24*4 + p.r.IntN(p.hours-24*4-30)
	t := trouble{kind: kind, entity: s.entity, system: s.system, from: from, to: from + p.r.IntN(5)}
	switch kind {
	case "volume_spike":
		t.size = p.between(3, 10)
	case "volume_drop":
		t.to, t.size = from+5+p.r.IntN(19), p.between(0, 0.25)
	case "unexpected_deletion", "dead_letters", "late_arrivals":
		t.to, t.size = from+p.r.IntN(3), p.size(10, 200)
	case "missing_records", "sweep_disagreement":
		t.from = from - from%24 + nightly
		t.to, t.size = t.from, p.size(6, 80)
	case "freshness":
		t.to = from + 3 + p.r.IntN(6)
	case "api_slowdown":
		t.entity, t.to, t.size = "", from+1+p.r.IntN(7), p.between(2.5, 8)
	case "retry_storm":
		t.entity, t.size = "", p.between(0.35, 0.8)
	case "outage":
		t.entity, t.to, t.size = "", from+3+p.r.IntN(4), 0.9
	case "conflict_spike":
		t.system, t.size = "", p.size(15, 150)
	case "null_drift":
		t.field, t.to, t.size = "notes", from+6+p.r.IntN(18), p.between(0.8, 1)
	case "schema_drift":
		t.field, t.to, t.size = []string{"status", ""}[p.r.IntN(2)], from+6+p.r.IntN(18), p.between(0.8, 1)
	case "value_drift":
		t.field, t.to, t.size = "price", from+6+p.r.IntN(18), p.between(0.8, 4.6)
	}
	return t
}

// on is the trouble of a kind that is on, if there is one.
func (p *platform) on(kind, entity, system string, h int) (trouble, bool) {
	i := slices.IndexFunc(p.troubles, func(t trouble) bool { return t.covers(kind, entity, system, h) })
	if i < 0 {
		return trouble{}, false
	}
	return p.troubles[i], true
}

// activity is the season of a stream at an hour, as a factor.
func (p *platform) activity(s shape, h int) float64 {
	at := began.Add(time.Duration(h) * time.Hour).In(p.zone)
	day := h / 24
	f := s.night + (1-s.night)*math.Pow(0.5+0.5*math.Cos(2*math.Pi*(float64(at.Hour())-s.peak)/24), 1.5)
	if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		f *= s.weekend
	}
	if slices.Contains(p.holidays, day) {
		f *= 0.5
	}
	if s.shift > 0 && h >= s.shift {
		f *= s.factor
	}
	name := fmt.Sprint(s.entity, s.system, day)
	if _, known := p.days[name]; !known {
		p.days[name] = math.Exp(s.daily * p.r.NormFloat64())
	}
	return f * p.days[name] * math.Pow(1+s.growth, float64(h)/168) * math.Exp(s.noise*p.r.NormFloat64())
}

func (p *platform) poisson(mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*p.r.NormFloat64()))
	}
	limit, n, product := math.Exp(-mean), 0, p.r.Float64()
	for product > limit {
		n++
		product *= p.r.Float64()
	}
	return float64(n)
}

// share draws how many of n are so.
func (p *platform) share(n, share float64) float64 {
	return min(n, max(0, math.Round(n*share+math.Sqrt(n*share*(1-share))*p.r.NormFloat64())))
}
