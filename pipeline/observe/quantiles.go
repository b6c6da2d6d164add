package observe

import (
	"math"
	"time"
)

// Quantiles keeps durations in buckets that grow by a tenth each, so that a
// quantile is off by at most 5% at a fixed size of 2 KB, from a microsecond to
// more than a day. The zero value is empty. It is not safe for concurrent use.
type Quantiles struct {
	buckets [buckets]int64
	count   int64
	max     time.Duration
}

const (
	buckets = 270
	growth  = 1.1
	least   = time.Microsecond
)

// Add counts a duration.
func (q *Quantiles) Add(d time.Duration) {
	q.buckets[bucket(d)]++
	q.count++
	q.max = max(q.max, d)
}

// Count is how many durations were added.
func (q *Quantiles) Count() int64 { return q.count }

// At is the duration below which a share p of all lies; the largest one, exactly, for p = 1; 0 if there is none.
func (q *Quantiles) At(p float64) time.Duration {
	if p >= 1 || q.count == 0 {
		return q.max
	}
	rank := max(1, int64(math.Ceil(p*float64(q.count))))
	var seen int64
	for i, n := range q.buckets {
		if seen += n; seen >= rank {
			return min(middle(i), q.max)
		}
	}
	return q.max
}

func bucket(d time.Duration) int {
	if d <= least {
		return 0
	}
	i := 1 + int(math.Log(float64(d)/float64(least))/math.Log(growth))
	return min(i, buckets-1)
}

// middle is the geometric middle of a bucket.
func middle(i int) time.Duration {
	if i == 0 {
		return least
	}
	return time.Duration(float64(least) * math.Pow(growth, float64(i)-0.5))
}
