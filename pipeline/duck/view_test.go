package duck

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSpansHoldEveryHashOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(-1, 1000).Draw(t, "n")
		spans := Spans(n)
		if len(spans) != max(n, 1) || spans[0].Lowest != math.MinInt64 || spans[len(spans)-1].Highest != math.MaxInt64 {
			t.Fatalf("%d spans from %d to %d", len(spans), spans[0].Lowest, spans[len(spans)-1].Highest)
		}
		for i, s := range spans {
			if s.Lowest > s.Highest || i > 0 && s.Lowest != spans[i-1].Highest+1 {
				t.Fatalf("span %d is %+v", i, s)
			}
		}
	})
}
