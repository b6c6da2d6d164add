package schemas

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// everyType has each kind, and each way of storing it.
func everyType() []Type {
	types := []Type{{Kind: String}, {Kind: Bool}, {Kind: Int64}, {Kind: Double}, {Kind: Date}, {Kind: Time},
		{Kind: Timestamp}, {Kind: JSON}, {Kind: Enum, Values: []string{"open", "not, yet", "it's"}},
		{Kind: List, Elem: &Type{Kind: Decimal, Precision: 6, Scale: 2}}}
	for _, d := range [][2]int32{{1, 0}, {1, 1}, {4, 4}, {9, 2}, {12, 2}, {18, 18}, {19, 0}, {38, 0}, {38, 10}, {38, 38}} {
		types = append(types, Type{Kind: Decimal, Precision: d[0], Scale: d[1]})
	}
	return types
}

// edges are canonical texts at the ends of what a type holds.
func edges(t Type) []string {
	switch t.Kind {
	case String:
		return []string{"", " ", "007", "é", "a\x00b", "😀", "'\"\\", "\u2028"}
	case Bool:
		return []string{"true", "false"}
	case Int64:
		return []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993"}
	case Double:
		return doubleEdges()
	case Date:
		return []string{"0001-01-01", "9999-12-31", "1970-01-01", "1969-12-31", "2024-02-29", "1900-03-01", "0004-02-29"}
	case Time:
		return []string{"00:00:00", "23:59:59.999999", "12:00:00.5", "12:00:00.000001", "01:02:03.1"}
	case Timestamp:
		return []string{"0", "-1", "1", fmt.Sprint(minDay * dayUS), fmt.Sprint((maxDay+1)*dayUS - 1)}
	case JSON:
		return []string{`null`, `{}`, `[]`, `"x"`, `1e400`, `{"a":[1,{"b":0.1}],"é":"\n"}`, `1.2345678901234567890123e22`}
	case List:
		return []string{`[]`, `[1]`, `[12.5,-0.01]`}
	case Enum:
		return t.Values
	}
	largest := decimal128.GetMaxValue(t.Precision)
	return []string{string(appendDecimal(nil, decimal128.Num{}, t.Scale)), string(appendDecimal(nil, largest, t.Scale)),
		string(appendDecimal(nil, largest.Negate(), t.Scale)), string(appendDecimal(nil, decimal128.FromI64(1), t.Scale)),
		string(appendDecimal(nil, decimal128.FromI64(-1), t.Scale))}
}

// doubleEdges are where printing doubles goes wrong: powers of two, whose
// neighbours are not equally far, powers of ten, subnormals, ties between two
// shortest texts (a quarter in 2^50), integers beyond 2^53.
func doubleEdges() []string {
	var out []string
	add := func(fs ...float64) {
		for _, f := range fs {
			for _, g := range []float64{f, math.Nextafter(f, 0), math.Nextafter(f, math.Inf(1)), -f} {
				out = append(out, string(appendDouble(nil, g)))
			}
		}
	}
	for e := -1074; e < 1024; e++ {
		add(math.Ldexp(1, e))
	}
	for e := -323; e < 309; e++ {
		add(math.Pow10(e))
	}
	for n := range 64 {
		i := float64(n)
		add(math.Ldexp(1, 50)+0.25*i, math.Ldexp(1, 47)+i/32, i*math.SmallestNonzeroFloat64)
	}
	add(math.MaxFloat64, 0.1, 0.1+0.2, 5e-324, 9007199254740993, 1e15, 1e16, 1e17, 123456789012345680, 1e-4, 1e-5)
	return out
}

// randomCanonical is a canonical text of a type.
func randomCanonical(t Type, rng *rand.Rand) string {
	switch t.Kind {
	case Bool:
		return fmt.Sprint(rng.IntN(2) == 0)
	case Int64:
		return fmt.Sprint(int64(rng.Uint64()) >> rng.IntN(64))
	case Double:
		return randomDouble(rng)
	case Decimal:
		return randomDecimal(t, rng)
	case Date:
		return string(appendDate(nil, int32(minDay+rng.IntN(maxDay-minDay+1))))
	case Time:
		return string(appendTime(nil, rng.Int64N(dayUS)))
	case Timestamp:
		return fmt.Sprint(minDay*dayUS + rng.Int64N((maxDay-minDay+1)*dayUS))
	case Enum:
		return t.Values[rng.IntN(len(t.Values))]
	case List:
		return fmt.Sprintf("[%d,%d.5]", rng.IntN(1000), rng.IntN(1000))
	case JSON:
		return fmt.Sprintf(`{"a":%d,"b":[%d.25,null]}`, rng.IntN(1000), rng.IntN(1000))
	}
	text := make([]rune, rng.IntN(12))
	for i := range text {
		text[i] = []rune("ab Z\t'\"\\é漢😀\x01\x00\n")[rng.IntN(14)]
	}
	return string(text)
}

func randomDouble(rng *rand.Rand) string {
	f := math.Float64frombits(rng.Uint64())
	switch rng.IntN(4) {
	case 0: // as people write them
		f = float64(rng.IntN(1_000_000)) / math.Pow10(rng.IntN(6))
	case 1: // near the end of what doubles hold of integers and fractions
		f = float64(rng.Uint64()>>rng.IntN(20)) / float64(uint64(1)<<rng.IntN(30))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	return string(appendDouble(nil, f))
}

func randomDecimal(t Type, rng *rand.Rand) string {
	n := decimal128.New(int64(rng.Uint64()>>1), rng.Uint64())
	limit := decimal128.GetMaxValue(t.Precision).Add(decimal128.FromI64(1))
	if _, rest := n.Div(limit); t.Precision < MaxPrecision {
		n = rest
	} else {
		n = decimal128.New(n.HighBits()>>2, n.LowBits())
	}
	if rng.IntN(2) == 0 {
		n = n.Negate()
	}
	return string(appendDecimal(nil, n, t.Scale))
}

// columnOf makes an array of canonical texts; "\xff" is null.
func columnOf(t Type, texts []string) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, t.Arrow())
	defer b.Release()
	for _, text := range texts {
		if text == noText {
			b.AppendNull()
			continue
		}
		if err := t.FromCanonical(text, b); err != nil {
			return nil, err
		}
	}
	return b.NewArray(), nil
}

const noText = "\xff"
