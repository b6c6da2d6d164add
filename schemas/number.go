package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// number is a decimal literal, exactly: ±(hi:lo) × 10^exp, without trailing
// zeros in hi:lo. wide is set when its digits do not fit 128 bits.
type number struct {
	negative bool
	hi, lo   uint64
	exp      int
	wide     bool
	plain    bool // neither point nor exponent in the literal
}

var errNotNumber = errors.New("not a number as JSON writes it: digits without leading zeros, at most one point and one exponent")

// maxExponent bounds what is taken for a number: nobody means more, and a sum of
// exponents below it cannot overflow.
const maxExponent = 1 << 20

// scanNumber reads a literal in JSON's grammar.
func scanNumber[T string | []byte](s T) (number, error) {
	if n, ok := scanShort(s); ok {
		return n, nil
	}
	return scanLong(s)
}

// scanShort reads what nearly all numbers are: at most 18 digits, without an
// exponent. Not ok: it is something else.
func scanShort[T string | []byte](s T) (n number, ok bool) {
	i := 0
	if len(s) > 0 && s[0] == '-' {
		n.negative = true
		i = 1
	}
	const most = 18
	if len(s)-i > most || len(s) == i || s[i] == '0' && len(s) > i+1 && s[i+1] != '.' {
		return n, false
	}
	point := 0
	for start := i; i < len(s); i++ {
		digit := s[i] - '0'
		switch {
		case digit <= 9:
			n.lo = n.lo*10 + uint64(digit)
		case s[i] == '.' && point == 0 && i > start && i+1 < len(s):
			point = i + 1
		default:
			return n, false
		}
	}
	n.plain = point == 0
	if n.lo == 0 {
		return n, true
	}
	if point > 0 {
		n.exp = point - len(s)
	}
	for n.lo%10 == 0 {
		n.lo /= 10
		n.exp++
	}
	return n, true
}

func scanLong[T string | []byte](s T) (number, error) {
	n := number{plain: true}
	i := 0
	if i < len(s) && s[i] == '-' {
		n.negative = true
		i++
	}
	start, zeros := i, 0
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		zeros = n.push(s[i]-'0', zeros)
	}
	if i == start || s[start] == '0' && i > start+1 {
		return n, errNotNumber
	}
	if i < len(s) && s[i] == '.' {
		n.plain = false
		i++
		start = i
		for ; i < len(s) && s[i]-'0' <= 9; i++ {
			zeros = n.push(s[i]-'0', zeros)
		}
		n.exp -= i - start
		if i == start {
			return n, errNotNumber
		}
	}
	n.exp += zeros
	if i < len(s) {
		if err := n.scanExponent([]byte(s[i:])); err != nil {
			return n, err
		}
	}
	if n.hi|n.lo == 0 && !n.wide {
		n.exp = 0
	}
	return n, nil
}

// push takes one more digit, keeping zeros back until a digit follows them.
func (n *number) push(digit byte, zeros int) int {
	if digit == 0 {
		if n.hi|n.lo == 0 && !n.wide {
			return 0 // leading
		}
		return zeros + 1
	}
	if zeros > MaxPrecision {
		n.wide = true
		return 0
	}
	for ; zeros >= 0; zeros-- {
		n.timesTen()
	}
	var carry uint64
	n.lo, carry = bits.Add64(n.lo, uint64(digit), 0)
	n.hi, carry = bits.Add64(n.hi, 0, carry)
	n.wide = n.wide || carry != 0
	return 0
}

func (n *number) timesTen() {
	over, lo := bits.Mul64(n.lo, 10)
	overflow, hi := bits.Mul64(n.hi, 10)
	hi, carry := bits.Add64(hi, over, 0)
	n.hi, n.lo = hi, lo
	n.wide = n.wide || overflow|carry != 0
}

// scanExponent reads what follows the digits, which must be an exponent.
func (n *number) scanExponent(s []byte) error {
	if s[0] != 'e' && s[0] != 'E' {
		return errNotNumber
	}
	n.plain = false
	i, negative := 1, false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		negative = s[i] == '-'
		i++
	}
	if i == len(s) {
		return errNotNumber
	}
	e := 0
	for ; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return errNotNumber
		}
		if e = e*10 + int(s[i]-'0'); e > maxExponent {
			return fmt.Errorf("the exponent is beyond anything that a number means")
		}
	}
	if negative {
		e = -e
	}
	n.exp += e
	return nil
}

// shift gives n as an integer count of 10^-scale. Not ok: it has digits behind
// that, or does not fit 128 bits.
func (n number) shift(scale int) (hi, lo uint64, ok bool) {
	if n.wide {
		return 0, 0, false
	}
	if n.hi|n.lo == 0 {
		return 0, 0, true
	}
	by := n.exp + scale
	if by < 0 || by > MaxPrecision {
		return 0, 0, false
	}
	for ; by > 0; by-- {
		n.timesTen()
	}
	return n.hi, n.lo, !n.wide
}

// floor divides by 10^by, rounding down: away from zero where n is negative.
func (n number) floor(by int) (hi, lo uint64) {
	rest := uint64(0)
	for ; by > 0; by-- {
		var r uint64
		n.hi, r = n.hi/10, n.hi%10
		n.lo, r = bits.Div64(r, n.lo, 10)
		rest |= r
	}
	if n.negative && rest != 0 {
		var carry uint64
		n.lo, carry = bits.Add64(n.lo, 1, 0)
		n.hi += carry
	}
	return n.hi, n.lo
}

// parseInt64 reads an integer. Strict refuses 1.0 and 1e3, which are integers
// written otherwise.
func parseInt64[T string | []byte](s T, strict bool) (int64, error) {
	n, err := scanNumber(s)
	if err != nil {
		return 0, err
	}
	if strict && (!n.plain || n.negative && n.lo|n.hi == 0) {
		return 0, fmt.Errorf("not written as a plain integer")
	}
	if !n.wide && n.exp < 0 {
		return 0, fmt.Errorf("not an integer")
	}
	hi, lo, ok := n.shift(0)
	switch {
	case !ok || hi != 0 || lo > 1<<63 || lo == 1<<63 && !n.negative:
		return 0, fmt.Errorf("outside of what an int64 holds")
	case n.negative:
		return -int64(lo), nil
	}
	return int64(lo), nil
}

// parseDouble reads a number and rounds it to the nearest double, as IEEE 754
// says. What is too large, or so small that only zero is left of it, is refused.
func parseDouble[T string | []byte](s T) (float64, error) {
	n, err := scanNumber(s)
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil || f == 0 && (n.wide || n.hi|n.lo != 0) {
		return 0, fmt.Errorf("outside of what a double holds")
	}
	if f == 0 {
		return 0, nil // no -0
	}
	return f, nil
}

// parseDecimal reads a number as a count of 10^-scale, exactly. It never rounds.
func parseDecimal[T string | []byte](s T, precision, scale int32) (decimal128.Num, error) {
	n, err := scanNumber(s)
	if err != nil {
		return decimal128.Num{}, err
	}
	hi, lo, ok := n.shift(int(scale))
	if !ok && !n.wide && n.exp+int(scale) < 0 {
		return decimal128.Num{}, fmt.Errorf("more than %d digits behind the point", scale)
	}
	limit := decimal128.GetMaxValue(precision)
	if !ok || hi > uint64(limit.HighBits()) || hi == uint64(limit.HighBits()) && lo > limit.LowBits() {
		return decimal128.Num{}, fmt.Errorf("more digits than decimal(%d,%d) has", precision, scale)
	}
	v := decimal128.New(int64(hi), lo)
	if n.negative {
		v = v.Negate()
	}
	return v, nil
}

// appendDecimal writes a count of 10^-scale with all its digits behind the point.
func appendDecimal(dst []byte, v decimal128.Num, scale int32) []byte {
	if v.Sign() < 0 {
		dst = append(dst, '-')
		v = v.Negate()
	}
	var buf [MaxPrecision + 2]byte
	digits := appendUint128(buf[:0], uint64(v.HighBits()), v.LowBits())
	whole := len(digits) - int(scale)
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:whole]...)
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	if whole < 0 {
		dst = append(dst, zeros[:-whole]...)
		whole = 0
	}
	return append(dst, digits[whole:]...)
}

func appendUint128(dst []byte, hi, lo uint64) []byte {
	if hi == 0 {
		return strconv.AppendUint(dst, lo, 10)
	}
	const ten19 = 10_000_000_000_000_000_000
	top := hi / ten19
	middle, low := bits.Div64(hi%ten19, lo, ten19)
	if top > 0 {
		dst = strconv.AppendUint(dst, top, 10)
		return appendPadded19(appendPadded19(dst, middle), low)
	}
	return appendPadded19(strconv.AppendUint(dst, middle, 10), low)
}

func appendPadded19(dst []byte, n uint64) []byte {
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], n, 10)
	return append(append(dst, zeros[:19-len(digits)]...), digits...)
}

// appendDouble writes f with 15 significant digits if they read back as f, else
// with 16, else with 17, which always do; without zeros at the end, laid out as C's
// %g does: 12.5, 1e+15, 1e-05. Zero has no sign. Each step is a correct rounding,
// which IEEE 754 defines, so that CanonicalSQL can give the same text.
func appendDouble(dst []byte, f float64) []byte {
	switch {
	case f == 0:
		return append(dst, '0')
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	var buf [32]byte
	for digits := 15; ; digits++ {
		text := strconv.AppendFloat(buf[:0], f, 'e', digits-1, 64)
		if back, err := strconv.ParseFloat(string(text), 64); digits == 17 || err == nil && back == f {
			return layoutDouble(dst, text, digits)
		}
	}
}

// layoutDouble turns d.ddde±xx, of so many digits, into the layout of %g.
func layoutDouble(dst, text []byte, precision int) []byte {
	if text[0] == '-' {
		dst, text = append(dst, '-'), text[1:]
	}
	at := bytes.IndexByte(text, 'e')
	exponent, err := strconv.Atoi(string(text[at+1:]))
	if err != nil {
		panic("schemas: strconv wrote " + string(text)) // it never does
	}
	var buf [20]byte
	digits := bytes.TrimRight(append(append(buf[:0], text[0]), text[2:at]...), "0")
	switch {
	case exponent < -4 || exponent >= precision:
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		return append(dst, text[at:]...)
	case exponent < 0:
		return append(append(append(dst, "0."...), zeros[:-exponent-1]...), digits...)
	case exponent+1 >= len(digits):
		return append(append(dst, digits...), zeros[:exponent+1-len(digits)]...)
	}
	return append(append(append(dst, digits[:exponent+1]...), '.'), digits[exponent+1:]...)
}
