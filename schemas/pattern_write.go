package schemas

import (
	"fmt"
	"strconv"
	"time"
)

// appendTo writes t by the pattern, in t's own zone.
func (p *pattern) appendTo(dst []byte, t time.Time) []byte {
	for _, s := range p.steps {
		if s.verb == 0 {
			dst = append(dst, s.literal...)
			continue
		}
		dst = appendVerb(dst, s.verb, t)
	}
	return dst
}

func appendVerb(dst []byte, verb byte, t time.Time) []byte {
	switch verb {
	case 'Y':
		return appendPadded(dst, int64(t.Year()), 4)
	case 'y':
		return appendPadded(dst, int64(t.Year()%100), 2)
	case 'm':
		return appendPadded(dst, int64(t.Month()), 2)
	case 'b':
		return append(dst, t.Month().String()[:3]...)
	case 'B':
		return append(dst, t.Month().String()...)
	case 'd':
		return appendPadded(dst, int64(t.Day()), 2)
	case 'e':
		return fmt.Appendf(dst, "%2d", t.Day())
	case 'j':
		return appendPadded(dst, int64(t.YearDay()), 3)
	case 'z':
		return t.AppendFormat(dst, "-0700")
	case 's':
		return strconv.AppendInt(dst, t.Unix(), 10)
	}
	return appendTimeVerb(dst, verb, t)
}

func appendTimeVerb(dst []byte, verb byte, t time.Time) []byte {
	switch verb {
	case 'H':
		return appendPadded(dst, int64(t.Hour()), 2)
	case 'I':
		return appendPadded(dst, int64((t.Hour()+11)%12+1), 2)
	case 'p':
		return t.AppendFormat(dst, "PM")
	case 'M':
		return appendPadded(dst, int64(t.Minute()), 2)
	case 'S':
		return appendPadded(dst, int64(t.Second()), 2)
	case 'f':
		return appendPadded(dst, int64(t.Nanosecond()/1000), 6)
	case 'L':
		return appendPadded(dst, int64(t.Nanosecond()/1_000_000), 3)
	}
	return dst
}

// appendPadded writes n, not negative, with at least width digits.
func appendPadded(dst []byte, n int64, width int) []byte {
	for limit := int64(10); width > 1; width-- {
		if n < limit {
			dst = append(dst, zeros[:width-1]...)
			break
		}
		limit *= 10
	}
	return strconv.AppendInt(dst, n, 10)
}

const zeros = "0000000000000000000000000000000000000000"
