package schemas

import (
	"fmt"
	"strings"
	"time"
)

// clock is a date and time of day as written, before a zone makes it an instant.
type clock struct {
	year, month, day     int
	yearDay              int
	hour, minute, second int
	micro                int
	pm, half             bool // half: the hour is one of twelve
	offset               int  // seconds east of UTC
	epoch                int64
}

// read takes text apart by the pattern. Every character must fit.
func (p *pattern) read(text string) (clock, error) {
	c := clock{month: 1, day: 1}
	rest := text
	for _, s := range p.steps {
		var err error
		if s.verb == 0 {
			after, ok := strings.CutPrefix(rest, s.literal)
			if !ok {
				return c, fmt.Errorf("%q has no %q where the format has it", text, s.literal)
			}
			rest = after
			continue
		}
		if rest, err = c.take(s.verb, rest); err != nil {
			return c, fmt.Errorf("%q: %w", text, err)
		}
	}
	if rest != "" {
		return c, fmt.Errorf("%q goes on after the format's end, with %q", text, rest)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%q: %w", text, err)
	}
	return c, nil
}

// take reads one directive and gives what follows it.
func (c *clock) take(verb byte, s string) (rest string, err error) {
	switch verb {
	case 'Y':
		c.year, rest, err = digits(s, 4, 4, "year")
	case 'y':
		c.year, rest, err = digits(s, 2, 2, "year")
		if c.year += 1900; c.year < 1969 {
			c.year += 100
		}
	case 'm':
		c.month, rest, err = digits(s, 1, 2, "month")
	case 'b', 'B':
		c.month, rest, err = monthName(s, verb == 'B')
	case 'd', 'e':
		c.day, rest, err = digits(strings.TrimPrefix(s, " "), 1, 2, "day")
	case 'j':
		c.yearDay, rest, err = digits(s, 3, 3, "day of the year")
		if err == nil && c.yearDay == 0 {
			err = fmt.Errorf("there is no day 000")
		}
	case 'z':
		c.offset, rest, err = offset(s)
	case 's':
		c.epoch, rest, err = seconds(s)
	default:
		return c.takeTime(verb, s)
	}
	return rest, err
}

func (c *clock) takeTime(verb byte, s string) (rest string, err error) {
	switch verb {
	case 'H':
		c.hour, rest, err = digits(s, 1, 2, "hour")
	case 'I':
		c.half = true
		c.hour, rest, err = digits(s, 1, 2, "hour")
		if err == nil && (c.hour < 1 || c.hour > 12) {
			err = fmt.Errorf("there is no hour %d of twelve", c.hour)
		}
	case 'p':
		if len(s) < 2 || !strings.EqualFold(s[:2], "am") && !strings.EqualFold(s[:2], "pm") {
			return s, fmt.Errorf("AM or PM is missing")
		}
		c.pm, rest = strings.EqualFold(s[:2], "pm"), s[2:]
	case 'M':
		c.minute, rest, err = digits(s, 2, 2, "minute")
	case 'S':
		c.second, rest, err = digits(s, 2, 2, "second")
	case 'f':
		c.micro, rest, err = digits(s, 6, 6, "microseconds")
	case 'L':
		c.micro, rest, err = digits(s, 3, 3, "milliseconds")
		c.micro *= 1000
	}
	return rest, err
}

// check refuses days and times that do not exist; 30 February is not 1 March.
func (c *clock) check() error {
	if c.half {
		c.hour %= 12
		if c.pm {
			c.hour += 12
		}
	}
	if c.hour > 23 || c.minute > 59 || c.second > 59 {
		return fmt.Errorf("there is no time %02d:%02d:%02d", c.hour, c.minute, c.second)
	}
	if c.yearDay > 0 {
		first := time.Date(c.year, 1, c.yearDay, 0, 0, 0, 0, time.UTC)
		if first.Year() != c.year {
			return fmt.Errorf("year %d has no day %d", c.year, c.yearDay)
		}
		c.month, c.day = int(first.Month()), first.Day()
	}
	return nil
}

// digits reads a number of least to most digits.
func digits[T string | []byte](s T, least, most int, what string) (n int, rest T, err error) {
	i := 0
	for i < len(s) && i < most && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if i < least {
		return 0, s, fmt.Errorf("the %s has %d digits, not %d", what, i, least)
	}
	return n, s[i:], nil
}

// seconds reads whole seconds since 1970 and, behind them, nothing.
func seconds(s string) (n int64, rest string, err error) {
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	i := 0
	for i < len(s) && i < 12 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int64(s[i]-'0')
		i++
	}
	if i == 0 {
		return 0, s, fmt.Errorf("the seconds are missing")
	}
	if negative {
		n = -n
	}
	return n, s[i:], nil
}

func monthName(s string, long bool) (month int, rest string, err error) {
	for m := time.January; m <= time.December; m++ {
		name := m.String()
		if !long {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return int(m), s[len(name):], nil
		}
	}
	return 0, s, fmt.Errorf("there is no month named so: %q", s)
}

// offset reads Z, +01:00, +0100 or +01, as seconds east of UTC.
func offset[T string | []byte](s T) (east int, rest T, err error) {
	if len(s) == 0 {
		return 0, s, fmt.Errorf("the offset from UTC is missing")
	}
	if s[0] == 'Z' || s[0] == 'z' {
		return 0, s[1:], nil
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, s, fmt.Errorf("the offset from UTC is missing")
	}
	hours, rest, err := digits(s[1:], 2, 2, "offset")
	if err != nil {
		return 0, s, err
	}
	minutes, colon := 0, 0
	if len(rest) > 0 && rest[0] == ':' {
		colon = 1
	}
	if colon == 1 || len(rest) > 0 && rest[0]-'0' <= 9 {
		if minutes, rest, err = digits(rest[colon:], 2, 2, "offset's minutes"); err != nil {
			return 0, s, err
		}
	}
	if hours > 23 || minutes > 59 {
		return 0, s, fmt.Errorf("there is no offset of %d:%02d", hours, minutes)
	}
	east = hours*3600 + minutes*60
	if s[0] == '-' {
		east = -east
	}
	return east, rest, nil
}
