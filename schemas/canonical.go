package schemas

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/zeebo/xxh3"
)

// Canonical is the one text of a value: what two values have in common exactly
// when they are equal. Not ok: it is null. arr has the type's storage.
//
//	string, enum, json, list: the text itself
//	bool:      true, false
//	int64:     digits
//	double:    15, 16 or 17 significant digits, the fewest that read back: 12.5, 1e+15; -0 is 0
//	decimal:   all digits behind the point: 12.50
//	date:      2024-02-29
//	time:      15:04:05, then a point and digits only where they are not zero
//	timestamp: microseconds since 1970 in UTC
func (t Type) Canonical(arr arrow.Array, i int) (text string, ok bool) {
	if arr.IsNull(i) {
		return "", false
	}
	if s, is := arr.(*array.String); is {
		return s.Value(i), true
	}
	var buf [64]byte
	return string(t.AppendCanonical(buf[:0], arr, i)), true
}

// AppendCanonical appends the canonical text of a value that is not null. A column
// of another storage than the type's is a mistake of the program and panics.
func (t Type) AppendCanonical(dst []byte, arr arrow.Array, i int) []byte {
	switch a := arr.(type) {
	case *array.String:
		return append(dst, a.Value(i)...)
	case *array.Int64:
		return strconv.AppendInt(dst, a.Value(i), 10)
	case *array.Timestamp:
		return strconv.AppendInt(dst, int64(a.Value(i)), 10)
	case *array.Boolean:
		return strconv.AppendBool(dst, a.Value(i))
	case *array.Float64:
		return appendDouble(dst, a.Value(i))
	case *array.Decimal128:
		return appendDecimal(dst, a.Value(i), t.Scale)
	case *array.Date32:
		return appendDate(dst, int32(a.Value(i)))
	case *array.Time64:
		return appendTime(dst, int64(a.Value(i)))
	}
	panic(fmt.Sprintf("schemas: a %s is not stored as %s", t, arr.DataType()))
}

// FromCanonical appends the value of a canonical text to a builder of the type's
// storage. It is the inverse of Canonical, and refuses text that is no value of
// the type.
func (t Type) FromCanonical(text string, b array.Builder) error {
	v, err := t.parseCanonical(text)
	if err != nil {
		return fmt.Errorf("%s %q: %w", t, text, err)
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(text)
	case *array.Int64Builder:
		b.Append(v.bits)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.bits))
	case *array.BooleanBuilder:
		b.Append(v.bits != 0)
	case *array.Float64Builder:
		b.Append(math.Float64frombits(uint64(v.bits)))
	case *array.Decimal128Builder:
		b.Append(v.decimal())
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.bits))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v.bits))
	default:
		return fmt.Errorf("a %s is not stored as %s", t, b.Type())
	}
	return nil
}

// scalar is a value of any kind that is not text: an integer, the bits of a
// double, 0 or 1, or the low half of a decimal whose high half is in high.
type scalar struct{ bits, high int64 }

func (s scalar) decimal() decimal128.Num { return decimal128.New(s.high, uint64(s.bits)) }

func (t Type) parseCanonical(text string) (v scalar, err error) {
	switch t.Kind {
	case Bool:
		if text != "true" && text != "false" {
			return v, fmt.Errorf("neither true nor false")
		}
		v.bits = int64(len("false") - len(text))
	case Int64:
		v.bits, err = parseInt64(text, true)
	case Timestamp:
		if v.bits, err = parseInt64(text, true); err == nil {
			v.bits, err = checkInstant(v.bits)
		}
	case Double:
		var f float64
		f, err = parseCanonicalDouble(text)
		v.bits = int64(math.Float64bits(f))
	case Decimal:
		var n decimal128.Num
		n, err = parseDecimal(text, t.Precision, t.Scale)
		v = scalar{int64(n.LowBits()), n.HighBits()}
	case Date:
		var days int32
		days, err = parseDate(text)
		v.bits = int64(days)
	case Time:
		v.bits, err = parseCanonicalTime(text)
	default:
		err = t.checkText(text)
	}
	return v, err
}

func parseCanonicalDouble(text string) (float64, error) {
	switch text {
	case "nan", "inf", "-inf":
		return strconv.ParseFloat(text, 64)
	}
	return parseDouble(text)
}

func parseCanonicalTime(text string) (int64, error) {
	us, rest, err := parseTime(text, true)
	if err == nil && rest != "" {
		err = fmt.Errorf("not a time as 15:04:05 is")
	}
	return us, err
}

// checkText refuses text that is no value of a type that is stored as text.
func (t Type) checkText(text string) error {
	switch t.Kind {
	case Enum:
		return t.checkEnum([]byte(text))
	case JSON, List:
		canonical, err := t.canonicalText(text)
		if err != nil {
			return err
		}
		if canonical != text {
			return fmt.Errorf("not in canonical form, which is %s", canonical)
		}
	}
	return nil
}

func (t Type) checkEnum(text []byte) error {
	for _, v := range t.Values {
		if v == string(text) {
			return nil
		}
	}
	return fmt.Errorf("none of %s", strings.Join(t.Values, ", "))
}

// canonicalText makes JSON text canonical, and checks what a list holds.
func (t Type) canonicalText(text string) (string, error) {
	if t.Kind == JSON {
		return CanonicalJSON([]byte(text))
	}
	value, err := readValue([]byte(text))
	if err != nil {
		return "", err
	}
	var w jsonWriter
	out, err := w.appendList(nil, value, t)
	return string(out), err
}

// KeyText is the text of a key or ID: of one part the part itself, of more a
// JSON array of them, so that no two lists of parts have the same text.
func KeyText(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	dst := []byte{'['}
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, p)
	}
	return string(append(dst, ']'))
}

// appendQuoted writes a JSON string with as few escapes as possible. Text that is
// not UTF-8 cannot come here from a decoder; its broken bytes become U+FFFD.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(string(s), "\ufffd")) // valid now: no error
	}
	return out
}

// HashKey is the hash by which rows of a key are sorted and split.
func HashKey(key string) int64 { return int64(xxh3.HashString(key)) }
