package schemas

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are part of how values are read: they must not depend on the machine
	"unicode/utf8"
)

// Field is a declared field of a stream: a typed column, and how a system writes
// it in JSON.
type Field struct {
	Name string
	Type Type

	// Path is where the value stands in a record, names between dots; a dot within
	// a name is written \. and an empty path is the field's name, dots and all.
	Path string

	// Format is how the value is written, where its type leaves a choice.
	//
	//	int64, double:  "number" (default), "text": digits in a string
	//	decimal:        "number" (default), "text"; both are read, what it says is written
	//	timestamp:      RFC 3339 (default), "epoch_s", "epoch_ms", "epoch_us", or a strftime pattern
	//	date, time:     ISO 8601 (default), or a strftime pattern
	Format string

	Zone       string // IANA name of the zone in which a pattern without one is meant
	AbsentNull bool   // a record without the field says that it is null
	Ignore     bool   // not part of the row's hash
	Strict     bool   // only the exact wire form is read
}

// The formats of Field that are not patterns.
const (
	FormatNumber  = "number"
	FormatText    = "text"
	FormatEpochS  = "epoch_s"
	FormatEpochMS = "epoch_ms"
	FormatEpochUS = "epoch_us"
)

// Check reports a field that cannot be read or written: a bad name or type, a
// format that its type does not have, a pattern that names no instant.
func (f Field) Check() error {
	if err := checkName(f.Name); err != nil {
		return err
	}
	if err := f.Type.Check(); err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	if _, err := f.segments(); err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	if _, err := f.form(); err != nil {
		return fmt.Errorf("field %s: %w", f.Name, err)
	}
	return nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a field has no name")
	case strings.ContainsAny(name, ",\"\x00") || !utf8.ValidString(name):
		return fmt.Errorf("field %q: a name has no comma, no quote and no NUL", name)
	case strings.HasPrefix(name, "_"):
		return fmt.Errorf("field %q: names that begin with _ are Trueup's own; give it another name and its path", name)
	}
	return nil
}

// segments are the names of Path from the outside in.
func (f Field) segments() ([]string, error) {
	if f.Path == "" {
		return []string{f.Name}, nil
	}
	var out []string
	var b strings.Builder
	for i := 0; i < len(f.Path); i++ {
		switch c := f.Path[i]; {
		case c == '\\' && i+1 < len(f.Path) && (f.Path[i+1] == '.' || f.Path[i+1] == '\\'):
			i++
			b.WriteByte(f.Path[i])
		case c == '.':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	out = append(out, b.String())
	for _, s := range out {
		if s == "" {
			return nil, fmt.Errorf("path %q has an empty name", f.Path)
		}
	}
	return out, nil
}

// form is how a field's values are written, compiled.
type form struct {
	text    bool     // numbers in strings
	perUnit int64    // epoch: microseconds in a unit, else 0
	pattern *pattern // nil: ISO 8601
	zone    *time.Location
	strict  bool
}

func (f Field) form() (form, error) {
	out := form{strict: f.Strict}
	var err error
	if f.Zone != "" && (f.Type.Kind != Timestamp || f.Format == "") {
		return out, fmt.Errorf("zone %q has no effect: it is for timestamps with a pattern that names no zone", f.Zone)
	}
	switch f.Type.Kind {
	case Int64, Double, Decimal:
		out.text = f.Format == FormatText
		if f.Format != "" && f.Format != FormatNumber && !out.text {
			return out, fmt.Errorf("format %q: a %s is written as number or text", f.Format, f.Type)
		}
	case Date, Time:
		if f.Format != "" {
			out.pattern, err = compilePattern(f.Format, f.Type.Kind)
		}
	case Timestamp:
		return f.timestampForm(out)
	default:
		if f.Format != "" {
			return out, fmt.Errorf("format %q has no effect: a %s is written in one way only", f.Format, f.Type.Kind)
		}
	}
	return out, err
}

func (f Field) timestampForm(out form) (form, error) {
	switch f.Format {
	case "":
		return out, nil
	case FormatEpochS:
		out.perUnit = 1_000_000
	case FormatEpochMS:
		out.perUnit = 1000
	case FormatEpochUS:
		out.perUnit = 1
	}
	if out.perUnit > 0 {
		if f.Zone != "" {
			return out, fmt.Errorf("zone %q has no effect: an epoch counts from an instant", f.Zone)
		}
		return out, nil
	}
	var err error
	if out.pattern, err = compilePattern(f.Format, Timestamp); err != nil {
		return out, err
	}
	return out, f.zoneOf(&out)
}

// zoneOf demands a zone exactly where the pattern names none: a time of day
// somewhere is not an instant.
func (f Field) zoneOf(out *form) error {
	switch {
	case out.pattern.zoned && f.Zone != "":
		return fmt.Errorf("zone %q has no effect: format %q carries the zone", f.Zone, f.Format)
	case out.pattern.zoned:
		return nil
	case f.Zone == "":
		return fmt.Errorf("format %q names no zone: say in which one its times are meant, as in zone: Europe/Lisbon", f.Format)
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil || f.Zone == "Local" {
		return fmt.Errorf("zone %q is not a name of the IANA list, as Europe/Lisbon is", f.Zone)
	}
	out.zone = zone
	return nil
}
