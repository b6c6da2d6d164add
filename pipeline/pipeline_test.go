package pipeline_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/trueup-data/trueup/pipeline"
)

// A set gives back what went in, and holds whole names only: "check" is not in a set
// with "check_in".
func TestAFieldSetHoldsWholeNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-c_]{1,4}`), rapid.ID).Draw(t, "names")
		slices.Sort(names)
		set := pipeline.NewFieldSet(names)
		if !slices.Equal(set.Names(), names) {
			t.Fatalf("%q gives %q", set, set.Names())
		}
		name := rapid.StringMatching(`[a-c_]{1,4}`).Draw(t, "name")
		if set.Has(name) != slices.Contains(names, name) {
			t.Fatalf("%q in %q: %t", name, set, set.Has(name))
		}
	})
}

// A time moves back and is formatted anew; a number that is no time stays, with the
// source's own text.
func TestOnlyACursorInTimeMovesBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		us     int64
		isTime bool
		want   pipeline.Cursor
	}{
		{"a time", 30, true, pipeline.Cursor{Order: 70, Set: true}},
		{"a number", 30, false, pipeline.Cursor{Literal: "x100", Order: 100, Set: true}},
		{"by nothing", 0, true, pipeline.Cursor{Literal: "x100", Order: 100, Set: true}},
	} {
		cursor := pipeline.Cursor{Literal: "x100", Order: 100, Set: true}
		if cursor.Back(c.us, c.isTime); cursor != c.want {
			t.Errorf("%s: %+v", c.name, cursor)
		}
	}
}
