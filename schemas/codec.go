package schemas

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// codec reads and writes the values of one field in JSON.
type codec struct {
	t    Type
	form form
	w    jsonWriter
}

func newCodec(f Field) (*codec, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	compiled, err := f.form()
	return &codec{t: f.Type, form: compiled}, err
}

// read takes a valid JSON value apart that is not null. Text, for the types that
// are stored as text, is a part of raw, or of scratch at its end.
func (c *codec) read(raw []byte, scratch *[]byte) (v scalar, text []byte, err error) {
	start := len(*scratch)
	switch c.t.Kind {
	case JSON:
		*scratch, err = c.w.appendValue(*scratch, raw)
		return v, (*scratch)[start:], err
	case List:
		*scratch, err = c.w.appendList(*scratch, raw, c.t)
		return v, (*scratch)[start:], err
	}
	switch raw[0] {
	case '"':
		if text, err = unquote(scratch, raw); err == nil {
			v, err = c.readText(text)
		}
	case 't', 'f':
		if c.t.Kind != Bool {
			return v, nil, c.wrong(raw)
		}
		v.bits = int64(len("false") - len(raw)) // true is 1
	case '{', '[':
		return v, nil, c.wrong(raw)
	default:
		if c.t.Kind == String && !c.form.strict {
			*scratch, err = appendNumber(*scratch, raw)
			return v, (*scratch)[start:], err
		}
		v, err = c.readNumber(raw)
	}
	return v, text, err
}

// wrong says what came in place of what the type needs. It does not show the value:
// the refused payload does.
func (c *codec) wrong(raw []byte) error {
	kinds := map[byte]string{'"': "a string", '{': "an object", '[': "an array", 't': "a boolean", 'f': "a boolean", 'n': "null"}
	got := kinds[raw[0]]
	if got == "" {
		got = "a number"
	}
	return fmt.Errorf("it is %s, where %s is declared", got, c.t)
}

// readText takes the text of a JSON string apart.
func (c *codec) readText(text []byte) (v scalar, err error) {
	switch c.t.Kind {
	case String:
	case Enum:
		err = c.t.checkEnum(text)
	case Int64, Double:
		if !c.form.text {
			return v, fmt.Errorf("it is a number in a string, where a number is declared; declare format: text")
		}
		return c.number(text)
	case Decimal:
		if c.form.strict && !c.form.text {
			return v, fmt.Errorf("it is a number in a string, where a number is declared; declare format: text")
		}
		return c.number(text)
	case Date, Time:
		v.bits, err = c.readCalendar(text)
	case Timestamp:
		v.bits, err = c.readInstant(text)
	default:
		err = c.wrong([]byte{'"'})
	}
	return v, err
}

// readNumber takes a JSON number apart.
func (c *codec) readNumber(raw []byte) (v scalar, err error) {
	switch c.t.Kind {
	case Int64, Double, Decimal:
		if c.form.strict && c.form.text {
			return v, fmt.Errorf("it is a number, where a number in a string is declared")
		}
		v, err = c.number(raw)
	case Timestamp:
		if c.form.perUnit == 0 {
			return v, fmt.Errorf("it is a number; declare format: epoch_s, epoch_ms or epoch_us")
		}
		v.bits, err = c.epoch(raw)
	default:
		err = c.wrong(raw)
	}
	return v, err
}

func (c *codec) number(text []byte) (v scalar, err error) {
	switch c.t.Kind {
	case Int64:
		v.bits, err = parseInt64(text, c.form.strict)
	case Double:
		var f float64
		f, err = parseDouble(text)
		v.bits = int64(math.Float64bits(f))
	default:
		var n decimal128.Num
		n, err = parseDecimal(text, c.t.Precision, c.t.Scale)
		v = scalar{int64(n.LowBits()), n.HighBits()}
	}
	return v, err
}

func (c *codec) readCalendar(text []byte) (int64, error) {
	if c.form.pattern != nil {
		parts, err := c.form.pattern.read(string(text))
		if err != nil || c.t.Kind == Time {
			return parts.timeOfDay(), err
		}
		days, err := daysOf(parts.year, parts.month, parts.day)
		return int64(days), err
	}
	if c.t.Kind == Date {
		days, err := parseDate(text)
		return int64(days), err
	}
	us, rest, err := parseTime(text, c.form.strict)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("something follows the time of day: %q", rest)
	}
	return us, err
}

func (c *codec) readInstant(text []byte) (int64, error) {
	switch {
	case c.form.perUnit > 0 && c.form.strict:
		return 0, fmt.Errorf("it is a string, where the number of an epoch is declared")
	case c.form.perUnit > 0:
		return c.epoch(text)
	case c.form.pattern == nil:
		return parseInstant(text, c.form.strict)
	}
	parts, err := c.form.pattern.read(string(text))
	if err != nil {
		return 0, err
	}
	return parts.instant(c.form)
}

// epoch reads a count of units as microseconds, rounded down; strict refuses what
// it would have to round.
func (c *codec) epoch(text []byte) (int64, error) {
	n, err := scanNumber(text)
	if err != nil {
		return 0, err
	}
	digits := 0 // behind the point, in one unit
	for unit := c.form.perUnit; unit > 1; unit /= 10 {
		digits++
	}
	hi, lo, ok := n.shift(digits)
	if !ok && !n.wide && n.exp+digits < 0 && n.exp > -MaxPrecision {
		if c.form.strict {
			return 0, fmt.Errorf("finer than a microsecond")
		}
		hi, lo = n.floor(-n.exp - digits)
		ok = true
	}
	if !ok || hi != 0 || lo > math.MaxInt64 {
		return 0, fmt.Errorf("outside of the years 1 to 9999")
	}
	if n.negative {
		return checkInstant(-int64(lo))
	}
	return checkInstant(int64(lo))
}

// appendList writes an array with every element in the canonical form of the
// list's type. It refuses what does not fit, and nulls.
func (w *jsonWriter) appendList(dst, raw []byte, t Type) ([]byte, error) {
	raw = skipSpace(raw)
	if raw[0] != '[' {
		c := codec{t: t}
		return dst, c.wrong(raw)
	}
	elem := codec{t: *t.Elem}
	dst = append(dst, '[')
	count := 0
	for rest := skipSpace(raw[1:]); rest[0] != ']'; count++ {
		if count > 0 {
			dst = append(dst, ',')
			rest = skipSpace(rest[1:])
		}
		end := valueEnd(rest)
		var err error
		if dst, err = elem.appendElement(dst, rest[:end]); err != nil {
			return dst, fmt.Errorf("element %d: %w", count+1, err)
		}
		rest = skipSpace(rest[end:])
	}
	return append(dst, ']'), nil
}

func (c *codec) appendElement(dst, raw []byte) ([]byte, error) {
	if raw[0] == 'n' {
		return dst, fmt.Errorf("a list holds no null")
	}
	v, text, err := c.read(raw, new([]byte))
	if err != nil {
		return dst, err
	}
	wire, err := c.write(c.canonical(v, text))
	if err != nil {
		return dst, err
	}
	return c.w.appendValue(dst, wire)
}
