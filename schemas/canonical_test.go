package schemas

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

func TestCanonicalTextIsReadBackAsTheSameValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for _, typ := range everyType() {
			text := randomCanonical(typ, rng)
			values, err := columnOf(typ, []string{text, noText})
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := typ.Canonical(values, 0); !ok || got != text {
				t.Fatalf("%s: %q became %q", typ, text, got)
			}
			if got, ok := typ.Canonical(values, 1); ok {
				t.Fatalf("%s: null became %q", typ, got)
			}
		}
	})
}

func TestDoublesAreWrittenSoThatTheyReadBack(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1: "1", 12.5: "12.5", 0.1: "0.1", 1.0 / 3: "0.3333333333333333",
		0.30000000000000004: "0.30000000000000004", 1e15: "1e+15", 999999999999999: "999999999999999", 1e-4: "0.0001",
		0.00001: "1e-05", -5e-324: "-4.94065645841247e-324", 1e100: "1e+100", 2417851639229258349412352: "2.4178516392292583e+24",
		9007199254740993: "9007199254740992", math.MaxFloat64: "1.7976931348623157e+308",
		math.Inf(1): "inf", math.Inf(-1): "-inf",
	} {
		if got := string(appendDouble(nil, f)); got != want {
			t.Errorf("%g: %s, not %s", f, got, want)
		}
	}
	if got := string(appendDouble(nil, math.NaN())); got != "nan" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) {
			return
		}
		text := string(appendDouble(nil, f))
		if back, err := parseCanonicalDouble(text); err != nil || back != f {
			t.Fatalf("%g is written %s and read %g: %v", f, text, back, err)
		}
		if !math.IsInf(f, 0) && !json.Valid([]byte(text)) {
			t.Fatalf("%s is no JSON number", text)
		}
	})
}

func TestTextThatIsNoValueIsRefused(t *testing.T) {
	decimal := Type{Kind: Decimal, Precision: 4, Scale: 2}
	for _, c := range []struct {
		t      Type
		text   string
		reason string
	}{
		{Type{Kind: Bool}, "TRUE", "neither true nor false"},
		{Type{Kind: Int64}, "1.0", "plain integer"},
		{Type{Kind: Int64}, "007", "not a number"},
		{Type{Kind: Int64}, "-0", "plain integer"},
		{Type{Kind: Int64}, "9223372036854775808", "outside"},
		{Type{Kind: Int64}, "", "not a number"},
		{Type{Kind: Double}, "1e400", "outside"},
		{Type{Kind: Double}, "1e-400", "outside"},
		{Type{Kind: Double}, "NaN", "not a number"},
		{decimal, "1.005", "more than 2 digits behind the point"},
		{decimal, "100", "more digits than decimal(4,2) has"},
		{decimal, "1e400", "more digits than decimal(4,2) has"},
		{decimal, "1e9999999999", "beyond anything"},
		{Type{Kind: Date}, "2024-02-30", "there is no day 2024-02-30"},
		{Type{Kind: Date}, "2023-02-29", "there is no day"},
		{Type{Kind: Date}, "0000-01-01", "year 0"},
		{Type{Kind: Date}, "2024-1-1", "not a date"},
		{Type{Kind: Date}, "10000-01-01", "not a date"},
		{Type{Kind: Time}, "24:00:00", "there is no time"},
		{Type{Kind: Time}, "12:00:60", "there is no time"},
		{Type{Kind: Time}, "12:00:00.1234567", "finer than a microsecond"},
		{Type{Kind: Time}, "12:00:00Z", "not a time"},
		{Type{Kind: Timestamp}, "2024-01-01T00:00:00Z", "not a number"},
		{Type{Kind: Timestamp}, "253402300800000000", "years 1 to 9999"},
		{Type{Kind: Enum, Values: []string{"a", "b"}}, "c", "none of a, b"},
		{Type{Kind: JSON}, `{"b":1,"a":2}`, `which is {"a":2,"b":1}`},
		{Type{Kind: JSON}, `{"a":1,"a":2}`, `the name "a" is there twice`},
		{Type{Kind: List, Elem: &Type{Kind: Int64}}, `[1,"2"]`, "element 2"},
		{Type{Kind: List, Elem: &Type{Kind: Int64}}, `{}`, "an object"},
	} {
		b := array.NewBuilder(memory.DefaultAllocator, c.t.Arrow())
		if err := c.t.FromCanonical(c.text, b); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s %q: %v", c.t, c.text, err)
		}
		if b.Len() != 0 {
			t.Errorf("%s %q left a value behind", c.t, c.text)
		}
	}
}

func TestDecimalsNeverPassThroughAFloat(t *testing.T) {
	typ := Type{Kind: Decimal, Precision: 38, Scale: 2}
	for text, want := range map[string]string{
		"0.1":       "0.10",
		"1e3":       "1000.00",
		"1.5E-1":    "0.15",
		"-0":        "0.00",
		"-0.00":     "0.00",
		"0e5":       "0.00",
		"1.500":     "1.50",
		"100e-2":    "1.00",
		"0.0000e99": "0.00",
		"123456789012345678901234567890123456.78":         "123456789012345678901234567890123456.78",
		"1" + strings.Repeat("0", 35):                     "1" + strings.Repeat("0", 35) + ".00",
		"0.07" + strings.Repeat("0", 60):                  "0.07",
		"12345678901234567890123456789012345678e-2":       "123456789012345678901234567890123456.78",
		"-99999999999999999999999999999999999999e-2":      "-999999999999999999999999999999999999.99",
		"0." + strings.Repeat("0", 50) + "1e52":           "10.00",
		"9007199254740993":                                "9007199254740993.00",
		"1" + strings.Repeat("0", 100) + "e-100":          "1.00",
		"0.1000000000000000055511151231257827021181583e0": "",
		"1e37":                        "",
		"1" + strings.Repeat("0", 36): "",
		"123456789012345678901234567890123456789.00":        "",
		"340282366920938463463374607431768211456":           "",
		"99999999999999999999999999999999999999999999e-100": "",
	} {
		v, err := typ.parseCanonical(text)
		if got := string(appendDecimal(nil, v.decimal(), 2)); err == nil && got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func TestKeysOfDifferentPartsHaveDifferentTexts(t *testing.T) {
	if KeyText([]string{"a"}) != "a" || KeyText([]string{"a", `b"c`}) != `["a","b\"c"]` {
		t.Error("the form of keys changed")
	}
	parts := rapid.SliceOfN(rapid.StringOf(rapid.SampledFrom([]rune(`a",[]\`))), 2, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		if same := strings.Join(a, "\x00") == strings.Join(b, "\x00"); (KeyText(a) == KeyText(b)) != same {
			t.Fatalf("%q and %q", a, b)
		}
		var back []string
		if err := json.Unmarshal([]byte(KeyText(a)), &back); err != nil || strings.Join(back, "\x00") != strings.Join(a, "\x00") {
			t.Fatalf("%q: %v", a, err)
		}
	})
}

func TestCalendarOfEveryDay(t *testing.T) {
	days := int32(minDay)
	for year := 1; year <= 9999; year++ {
		for month := 1; month <= 12; month++ {
			for day := 1; day <= 31; day++ {
				got, err := daysOf(year, month, day)
				if err != nil {
					continue
				}
				if y, m, d := civil(days); got != days || y != year || m != month || d != day {
					t.Fatalf("%d-%d-%d is day %d, not %d (%d-%d-%d)", year, month, day, got, days, y, m, d)
				}
				days++
			}
		}
	}
	if days != maxDay+1 {
		t.Fatalf("the calendar ends with day %d", days-1)
	}
}

func FuzzCanonicalText(f *testing.F) {
	for i, typ := range everyType() {
		texts := edges(typ)
		for _, text := range texts[:min(len(texts), 20)] {
			f.Add(i, text)
		}
		f.Add(i, "-0")
		f.Add(i, "1e5")
	}
	types := everyType()
	f.Fuzz(func(t *testing.T, i int, text string) {
		typ := types[uint(i)%uint(len(types))]
		values, err := columnOf(typ, []string{text})
		if err != nil || text == noText {
			return
		}
		again, ok := typ.Canonical(values, 0)
		if !ok {
			t.Fatalf("%s %q became null", typ, text)
		}
		values, err = columnOf(typ, []string{again})
		if err != nil {
			t.Fatalf("%s %q became %q, which is refused: %v", typ, text, again, err)
		}
		if third, _ := typ.Canonical(values, 0); third != again {
			t.Fatalf("%s %q became %q, then %q", typ, text, again, third)
		}
	})
}
