package replica

import (
	"math"
	"testing"

	"github.com/zeebo/xxh3"
)

func TestASketchCountsFewExactlyAndManyAboutRight(t *testing.T) {
	var s sketch
	for i := range 100_000 {
		for range 2 { // what was there already counts once
			s.add(xxh3.Hash([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
		}
		n := i + 1
		got := s.count()
		if n < sketchSize && got != int64(n) || math.Abs(float64(got)-float64(n)) > 0.35*float64(n) {
			t.Fatalf("%d different values counted as %d", n, got)
		}
	}
}

func TestFiguresOfPartsAddUp(t *testing.T) {
	whole, sum := NewFieldFigures(), NewFieldFigures()
	for i := range 10 {
		part := NewFieldFigures()
		for _, f := range []*FieldFigures{whole, part} {
			f.Undeclared++
			figure := f.of("price")
			figure.Absent++
			figure.Nulls += 2
			figure.Values += 3
			figure.Sizes += 1.5
			figure.distinct.add(uint64(i % 4))
		}
		sum.Add(part)
	}
	sum.Add(nil)
	a, b := whole.Fields["price"], sum.Fields["price"]
	if whole.Undeclared != sum.Undeclared || a.Absent != b.Absent || a.Nulls != b.Nulls || a.Values != b.Values || a.Sizes != b.Sizes || a.Distinct() != b.Distinct() {
		t.Errorf("%+v, in parts %+v", a, b)
	}
	if b.Distinct() != 4 {
		t.Errorf("%d different values, not 4", b.Distinct())
	}
}
