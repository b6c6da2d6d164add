package rest

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// value is what fills a place: text, an instant, or a piece of JSON. The zero
// value is one that is not there.
type value struct {
	text    string
	instant bool  // micros counts
	micros  int64 // UTC microseconds
	raw     []byte
}

type values map[string]value

func text(s string) value { return value{text: s} }

func instant(micros int64, s string) value { return value{text: s, instant: true, micros: micros} }

func (v value) set() bool { return v.text != "" || v.instant || v.raw != nil }

// format is how a place is written: a name, or a strftime pattern. The zero
// format is the value's own text.
type format string

const (
	asRFC3339 format = "rfc3339"
	asEpochS  format = "epoch_s"
	asEpochMS format = "epoch_ms"
	asJSON    format = "json"
	asURL     format = "urlencode"
)

func parseFormat(s string) (format, error) {
	switch f := format(s); f {
	case asRFC3339, asEpochS, asEpochMS, asJSON, asURL:
		return f, nil
	}
	if !strings.Contains(s, "%") {
		return "", fmt.Errorf("unknown format %q", s)
	}
	_, err := strftime(s, time.Unix(0, 0).UTC())
	return format(s), err
}

// format writes the value. Instants are only ever rounded down, so that a lower
// bound stays one.
func (v value) format(f format) (string, error) {
	switch f {
	case "":
		return v.plain(), nil
	case asURL: // escaped by where it stands, see urlencoded
		return v.plain(), nil
	case asJSON:
		if v.raw != nil {
			return string(v.raw), nil
		}
		return quoteJSON(v.plain()), nil
	}
	micros, err := v.moment()
	if err != nil {
		return "", err
	}
	switch f {
	case asEpochS:
		return strconv.FormatInt(floorDiv(micros, 1_000_000), 10), nil
	case asEpochMS:
		return strconv.FormatInt(floorDiv(micros, 1000), 10), nil
	case asRFC3339:
		return time.Unix(floorDiv(micros, 1_000_000), 0).UTC().Format(time.RFC3339), nil
	}
	return strftime(string(f), time.UnixMicro(micros).UTC())
}

func (v value) plain() string {
	switch {
	case v.raw != nil:
		return string(v.raw)
	case v.text == "" && v.instant:
		return time.UnixMicro(v.micros).UTC().Format(time.RFC3339Nano)
	}
	return v.text
}

// moment is the instant that the value names.
func (v value) moment() (int64, error) {
	if v.instant {
		return v.micros, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, v.text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, errors.New("the value is not a time")
}

// urlencoded escapes where the context does not do it anyway.
func urlencoded(s string, f format) string {
	if f == asURL {
		return url.QueryEscape(s)
	}
	return s
}

func quoteJSON(s string) string {
	b, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd"))
	if err != nil { // never: it is valid UTF-8
		return `""`
	}
	return string(b)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// strftime writes an instant by the conversions that are the same everywhere.
func strftime(pattern string, t time.Time) (string, error) {
	layouts := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'I': "03", 'p': "PM", 'j': "002",
		'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'F': "2006-01-02", 'T': "15:04:05", 'z': "-0700", 'Z': "MST",
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			b.WriteByte(pattern[i])
			continue
		}
		i++
		if i == len(pattern) {
			return "", errors.New("a pattern ends with %")
		}
		switch c := pattern[i]; {
		case c == '%':
			b.WriteByte('%')
		case c == 'f':
			fmt.Fprintf(&b, "%06d", t.Nanosecond()/1000)
		case c == 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case layouts[c] != "":
			b.WriteString(t.Format(layouts[c]))
		default:
			return "", fmt.Errorf("unknown conversion %%%c", c)
		}
	}
	return b.String(), nil
}
