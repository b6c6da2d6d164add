package config

import "time"

// defaultLimits are polite to a system that says nothing about its limits.
func defaultLimits() limitsPart {
	return limitsPart{RequestsPerSecond: 10, Concurrency: 4, Adaptive: true, Timeout: 30 * time.Second}
}

// FromNode fills in the defaults of what is not there.
func (l *limitsPart) FromNode(n Node) error {
	type plain limitsPart // without this method
	out := plain(defaultLimits())
	err := n.Decode(&out)
	*l = limitsPart(out)
	var problems Problems
	problems.take(n.At(), err)
	positive(&problems, n, "requests_per_second", out.RequestsPerSecond)
	positive(&problems, n, "burst", float64(out.Burst))
	positive(&problems, n, "concurrency", float64(out.Concurrency))
	positive(&problems, n, "timeout", float64(out.Timeout))
	return problems.Err()
}

// positive refuses a number that was written and is not above zero.
func positive(problems *Problems, n Node, key string, value float64) {
	if v := n.Get(key); v.Kind() == KindScalar && value <= 0 {
		*problems = append(*problems, wrongShape(v.n, "more than zero"))
	}
}

// defaultGuards are those of a project that says nothing about guards.
func defaultGuards() guardsPart {
	return guardsPart{
		MaxDeletes: limitPart{Percent: 1, AtLeast: 5},
		MaxChanges: limitPart{Percent: 20, AtLeast: 50},
		Window:     day,
	}
}

// FromNode fills in the defaults of what is not there.
func (g *guardsPart) FromNode(n Node) error {
	type plain guardsPart
	out := plain(defaultGuards())
	err := n.Decode(&out)
	*g = guardsPart(out)
	var problems Problems
	problems.take(n.At(), err)
	positive(&problems, n, "window", float64(out.Window))
	for _, limit := range []Node{n.Get("max_deletes"), n.Get("max_changes"), n.Get("max_creates"),
		n.Get("input").Get("max_deletes"), n.Get("input").Get("max_changes"), n.Get("input").Get("max_nulls")} {
		problems.percent(limit)
	}
	return problems.Err()
}

// percent refuses a share that is none.
func (p *Problems) percent(n Node) {
	limit := limitPart{}
	if err := n.Decode(&limit); n.Kind() != KindNone && err == nil && (limit.Percent < 0 || limit.Percent > 100) {
		*p = append(*p, wrongShape(n.Get("percent").n, "between 0 and 100"))
	}
}

func guards(g *guardsPart) Guards {
	if g == nil {
		all := defaultGuards()
		g = &all
	}
	in := g.Input
	if in == nil {
		in = &inputPart{}
	}
	out := Guards{MaxDeletes: Limit(g.MaxDeletes), MaxChanges: Limit(g.MaxChanges), Window: g.Window}
	out.MaxCreates = out.MaxChanges.unless(g.MaxCreates)
	out.Input = InputGuards{MaxDeletes: out.MaxDeletes.unless(in.MaxDeletes), MaxChanges: out.MaxChanges.unless(in.MaxChanges)}
	out.Input.MaxNulls = out.Input.MaxChanges.unless(in.MaxNulls)
	return out
}

// unless is the limit, or another one that was written.
func (l Limit) unless(other *limitPart) Limit {
	if other != nil {
		return Limit(*other)
	}
	return l
}

// FromNode fills in the defaults of what is not there.
func (c *checkpointPart) FromNode(n Node) error {
	type plain checkpointPart
	out := plain(defaultCheckpoint())
	err := n.Decode(&out)
	*c = checkpointPart(out)
	var problems Problems
	problems.take(n.At(), err)
	positive(&problems, n, "records", float64(out.Records))
	positive(&problems, n, "bytes", float64(out.Bytes))
	positive(&problems, n, "every", float64(out.Every))
	return problems.Err()
}

// defaultCheckpoint is what a crash may cost.
func defaultCheckpoint() checkpointPart {
	return checkpointPart{Records: 50_000, Bytes: 64 << 20, Every: 30 * time.Second}
}
