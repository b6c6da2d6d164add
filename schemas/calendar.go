package schemas

import (
	"fmt"
	"time"
)

const (
	secondUS = int64(1_000_000)
	dayUS    = 86_400 * secondUS
	minDay   = -719_162  // 0001-01-01, in days since 1970-01-01
	maxDay   = 2_932_896 // 9999-12-31
)

var daysBefore = [...]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// daysOf counts the days from 1970-01-01 to a day of the proleptic Gregorian
// calendar. It refuses a day that does not exist.
func daysOf(year, month, day int) (int32, error) {
	if year < 1 || year > 9999 {
		return 0, fmt.Errorf("year %d is outside of 1 to 9999", year)
	}
	if month < 1 || month > 12 {
		return 0, fmt.Errorf("there is no month %d", month)
	}
	days, last := daysBefore[month-1], daysBefore[month]-daysBefore[month-1]
	if leap(year) {
		if month == 2 {
			last++
		} else if month > 2 {
			days++
		}
	}
	if day < 1 || day > last {
		return 0, fmt.Errorf("there is no day %04d-%02d-%02d", year, month, day)
	}
	y := year - 1
	return int32(y*365 + y/4 - y/100 + y/400 + days + day - 1 + minDay), nil
}

// civil is the inverse of daysOf, for any day (the algorithm of Howard Hinnant,
// chrono-Compatible Low-Level Date Algorithms).
func civil(days int32) (year, month, day int) {
	z := int(days) + 719_468
	era := z / 146_097
	if z < 0 {
		era = (z - 146_096) / 146_097
	}
	dayOfEra := z - era*146_097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	mp := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yearOfEra + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// appendDate writes YYYY-MM-DD; a year before 1 as DuckDB does, with (BC).
func appendDate(dst []byte, days int32) []byte {
	year, month, day := civil(days)
	bc := year < 1
	if bc {
		year = 1 - year
	}
	dst = appendPadded(dst, int64(year), 4)
	dst = append(dst, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10))
	if bc {
		dst = append(dst, " (BC)"...)
	}
	return dst
}

// appendTime writes HH:MM:SS and as many digits behind it as are not zero.
func appendTime(dst []byte, us int64) []byte {
	s := us / secondUS
	for i, part := range [...]int64{s / 3600, s / 60 % 60, s % 60} {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, byte('0'+part/10), byte('0'+part%10))
	}
	return appendFraction(dst, us%secondUS)
}

func appendFraction(dst []byte, us int64) []byte {
	if us == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100_000); us > 0; unit /= 10 {
		dst = append(dst, byte('0'+us/unit))
		us %= unit
	}
	return dst
}

// parseDate reads YYYY-MM-DD and nothing else.
func parseDate[T string | []byte](s T) (int32, error) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, fmt.Errorf("not a date as 2024-02-29 is")
	}
	year, ok1 := number4(s, 0)
	month, ok2 := number2(s, 5)
	day, ok3 := number2(s, 8)
	if !ok1 || !ok2 || !ok3 {
		return 0, fmt.Errorf("not a date as 2024-02-29 is")
	}
	return daysOf(year, month, day)
}

func number2[T string | []byte](s T, at int) (int, bool) {
	a, b := s[at]-'0', s[at+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

func number4[T string | []byte](s T, at int) (int, bool) {
	a, ok1 := number2(s, at)
	b, ok2 := number2(s, at+2)
	return a*100 + b, ok1 && ok2
}

// parseTime reads HH:MM[:SS[.digits]] as microseconds of a day and gives what
// follows. Digits behind the sixth are cut off, which exact refuses.
func parseTime[T string | []byte](s T, exact bool) (us int64, rest T, err error) {
	if len(s) < 5 || s[2] != ':' {
		return 0, s, fmt.Errorf("not a time as 15:04:05 is")
	}
	hour, ok1 := number2(s, 0)
	minute, ok2 := number2(s, 3)
	second, ok3, end := 0, true, 5
	if len(s) >= 8 && s[5] == ':' {
		second, ok3 = number2(s, 6)
		end = 8
	}
	if !ok1 || !ok2 || !ok3 {
		return 0, s, fmt.Errorf("not a time as 15:04:05 is")
	}
	if hour > 23 || minute > 59 || second > 59 {
		return 0, s, fmt.Errorf("there is no time %02d:%02d:%02d", hour, minute, second)
	}
	us = int64(hour*3600+minute*60+second) * secondUS
	if end == 8 && len(s) > 9 && s[8] == '.' {
		var micro int64
		if micro, end, err = fraction(s, 9, exact); err != nil {
			return 0, s, err
		}
		us += micro
	}
	return us, s[end:], nil
}

// fraction reads digits from at as a fraction of a second.
func fraction[T string | []byte](s T, at int, exact bool) (us int64, end int, err error) {
	unit := int64(100_000)
	for end = at; end < len(s) && s[end]-'0' <= 9; end++ {
		if unit == 0 && exact && s[end] != '0' {
			return 0, end, fmt.Errorf("finer than a microsecond")
		}
		us += unit * int64(s[end]-'0')
		unit /= 10
	}
	if end == at {
		return 0, end, fmt.Errorf("digits are missing behind the point")
	}
	return us, end, nil
}

// parseInstant reads RFC 3339 as UTC microseconds, rounded down; exact refuses
// what it would have to round, and a space for the T. A time without an offset is
// refused always: it names no instant.
func parseInstant[T string | []byte](s T, exact bool) (int64, error) {
	if len(s) < 16 || s[10] != 'T' && (exact || s[10] != 't' && s[10] != ' ') {
		return 0, fmt.Errorf("not a time as 2024-02-29T15:04:05Z is")
	}
	days, err := parseDate(s[:10])
	if err != nil {
		return 0, err
	}
	us, rest, err := parseTime(s[11:], exact)
	if err != nil {
		return 0, err
	}
	if len(rest) == 0 {
		return 0, fmt.Errorf("it names no offset from UTC, so it is no instant; declare its format and its zone")
	}
	east, rest, err := offset(rest)
	if err != nil || len(rest) > 0 {
		return 0, fmt.Errorf("it does not end in an offset from UTC as Z or +01:00 is")
	}
	return checkInstant(int64(days)*dayUS + us - int64(east)*secondUS)
}

// checkInstant refuses instants outside of the years 0001 to 9999.
func checkInstant(us int64) (int64, error) {
	if us < minDay*dayUS || us >= (maxDay+1)*dayUS {
		return 0, fmt.Errorf("outside of the years 1 to 9999")
	}
	return us, nil
}

// instant makes the parts of a pattern one, in a zone where the pattern has none.
func (c clock) instant(f form) (int64, error) {
	if f.pattern.has('s') {
		if c.epoch < minDay*86_400 || c.epoch > (maxDay+1)*86_400 {
			return 0, fmt.Errorf("outside of the years 1 to 9999")
		}
		return checkInstant(c.epoch*secondUS + int64(c.micro))
	}
	days, err := daysOf(c.year, c.month, c.day)
	if err != nil {
		return 0, err
	}
	local := int64(days)*dayUS + c.timeOfDay()
	if f.zone == nil {
		return checkInstant(local - int64(c.offset)*secondUS)
	}
	us, err := inZone(local, f.zone, f.strict)
	if err != nil {
		return 0, err
	}
	return checkInstant(us)
}

func (c clock) timeOfDay() int64 {
	return int64(c.hour*3600+c.minute*60+c.second)*secondUS + int64(c.micro)
}

// inZone finds the instant at which clocks of a zone show local. A time that a
// change of clocks skips is refused; of one that it shows twice the earlier is
// taken, so that nothing is ever rounded up; strict refuses it.
func inZone(local int64, zone *time.Location, strict bool) (int64, error) {
	var found []int64
	for _, around := range [...]int64{local - dayUS, local + dayUS} {
		_, east := time.UnixMicro(around).In(zone).Zone()
		us := local - int64(east)*secondUS
		if _, there := time.UnixMicro(us).In(zone).Zone(); there == east && (len(found) == 0 || found[0] != us) {
			found = append(found, us)
		}
	}
	switch {
	case len(found) == 0:
		return 0, fmt.Errorf("clocks in %s skip this time", zone)
	case len(found) == 2 && strict:
		return 0, fmt.Errorf("clocks in %s show this time twice", zone)
	case len(found) == 2:
		return min(found[0], found[1]), nil
	}
	return found[0], nil
}
