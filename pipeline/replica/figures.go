package replica

import (
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/trueup-data/trueup/pipeline"
)

// FieldFigures counts what new and changed rows said in their fields, as their
// payloads carried it. The zero value cannot be added to; it is not safe for
// concurrent use.
type FieldFigures struct {
	Fields     map[string]*FieldFigure // by declared field
	Undeclared int64                   // rows that carried something nobody declared
}

// FieldFigure is one field's.
type FieldFigure struct {
	Absent int64   // rows whose payload did not carry it
	Nulls  int64   // rows that carried null
	Values int64   // numbers among the values
	Sizes  float64 // sum over those numbers of the logarithm of 1 + their absolute value: a unit that changed shows in it

	distinct sketch
}

// NewFieldFigures makes an empty set.
func NewFieldFigures() *FieldFigures { return &FieldFigures{Fields: map[string]*FieldFigure{}} }

// Add adds o, which may be nil.
func (f *FieldFigures) Add(o *FieldFigures) {
	if o == nil {
		return
	}
	f.Undeclared += o.Undeclared
	for name, from := range o.Fields {
		to := f.of(name)
		to.Absent += from.Absent
		to.Nulls += from.Nulls
		to.Values += from.Values
		to.Sizes += from.Sizes
		for _, h := range from.distinct.lowest {
			to.distinct.add(h)
		}
	}
}

func (f *FieldFigures) of(name string) *FieldFigure {
	if f.Fields[name] == nil {
		f.Fields[name] = &FieldFigure{}
	}
	return f.Fields[name]
}

// Distinct is about how many different values there were.
func (f *FieldFigure) Distinct() int64 { return f.distinct.count() }

// figures counts the rows that are kept as new or changed. It reads nothing that
// the fold did not have in its hands.
func (f *folder) figures() *FieldFigures {
	out := NewFieldFigures()
	for i, c := range f.fields {
		figure := out.of(c.Name)
		for _, r := range f.out {
			if r.op == pipeline.Upsert {
				figure.observe(r, i, c.Name)
			}
		}
	}
	for _, r := range f.out {
		if r.op == pipeline.Upsert && r.fields[len(f.fields)].IsValid(r.at) {
			out.Undeclared++
		}
	}
	return out
}

func (f *FieldFigure) observe(r *row, field int, name string) {
	values := r.fields[field]
	switch {
	case !r.full && !r.present.Has(name):
		f.Absent++
	case values.IsNull(r.at):
		f.Nulls++
	default:
		if n, ok := number(values, r.at); ok {
			f.Values++
			f.Sizes += math.Log1p(math.Abs(n))
		}
		f.distinct.add(digest(values, r.at))
	}
}

func number(values arrow.Array, i int) (float64, bool) {
	switch a := values.(type) {
	case *array.Int64:
		return float64(a.Value(i)), true
	case *array.Float64:
		return a.Value(i), !math.IsNaN(a.Value(i)) && !math.IsInf(a.Value(i), 0)
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return a.Value(i).ToFloat64(scale), true
	}
	return 0, false
}

// digest is a hash of a value, of use to tell values of one field apart.
func digest(values arrow.Array, i int) uint64 {
	if a, ok := values.(*array.String); ok {
		return xxh3.HashString(a.Value(i))
	}
	return xxh3.HashString(values.ValueStr(i))
}

// sketch counts different hashes: exactly up to sketchSize, and beyond that by
// the size of the greatest of the lowest ones (Bar-Yossef et al., Counting
// Distinct Elements in a Data Stream, 2002), give or take a tenth.
type sketch struct{ lowest []uint64 } // sorted

const sketchSize = 128

func (s *sketch) add(h uint64) {
	at, found := slices.BinarySearch(s.lowest, h)
	if found || at == sketchSize {
		return
	}
	s.lowest = slices.Insert(s.lowest, at, h)
	s.lowest = s.lowest[:min(len(s.lowest), sketchSize)]
}

func (s *sketch) count() int64 {
	if len(s.lowest) < sketchSize {
		return int64(len(s.lowest))
	}
	share := float64(s.lowest[sketchSize-1]) / math.MaxUint64
	return int64(math.Round((sketchSize - 1) / share))
}
