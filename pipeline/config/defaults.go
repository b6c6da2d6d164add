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
	for _, key := range []string{"max_deletes", "max_changes"} {
		limit := limitPart{}
		if err := n.Get(key).Decode(&limit); err == nil && (limit.Percent < 0 || limit.Percent > 100) {
			problems = append(problems, wrongShape(n.Get(key).Get("percent").n, "between 0 and 100"))
		}
	}
	return problems.Err()
}

func guards(g *guardsPart) Guards {
	if g == nil {
		all := defaultGuards()
		g = &all
	}
	return Guards{MaxDeletes: Limit(g.MaxDeletes), MaxChanges: Limit(g.MaxChanges), Window: g.Window}
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
