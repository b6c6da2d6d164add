package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/schemas"
)

// column is a declared field as a column of the source.
type column struct {
	field schemas.Field
	at    int    // among the declared fields
	name  string // quoted
	expr  string // what is selected: its text is what the field is read from
}

// compileColumns finds the column of every field.
func (s *Stream) compileColumns(x config.Extract) error {
	for i, f := range x.Fields {
		name, err := columnName(f)
		if err != nil {
			return config.Problem(x.At, fmt.Sprintf("field %s has no column", f.Name), err.Error(), "")
		}
		c := column{field: f, at: i, name: quote(name), expr: quote(name)}
		switch {
		case f.Zone != "":
			c.expr = c.name + " AT TIME ZONE " + literal(f.Zone)
		case f.Type.Kind == schemas.List:
			c.expr = "to_jsonb(" + c.name + ")" // arrays too
		}
		s.columns = append(s.columns, c)
	}
	for _, k := range x.PrimaryKey {
		s.key = append(s.key, slices.IndexFunc(s.columns, func(c column) bool { return c.field.Name == k }))
	}
	return nil
}

// columnName is the path of a field, which has one part here.
func columnName(f schemas.Field) (string, error) {
	if f.Path == "" {
		return f.Name, nil
	}
	name := strings.NewReplacer(`\.`, ".", `\\`, `\`).Replace(f.Path)
	if strings.Contains(strings.NewReplacer(`\\`, "", `\.`, "").Replace(f.Path), ".") {
		return "", fmt.Errorf("path %q leads into a column: select the part in a query, or declare the column as json and take it apart in map", f.Path)
	}
	return name, nil
}

// list is the select list: every declared field, in order.
func (s *Stream) list() string {
	parts := make([]string, len(s.columns))
	for i, c := range s.columns {
		parts[i] = c.expr
	}
	return strings.Join(parts, ", ")
}

// keyNames are the key's columns, for ORDER BY and comparisons.
func (s *Stream) keyNames() string {
	parts := make([]string, len(s.key))
	for i, k := range s.key {
		parts[i] = s.columns[k].name
	}
	return strings.Join(parts, ", ")
}

// Object identifiers of types whose values name no instant.
const (
	oidTimestamp = 1114
	oidDate      = 1082
	oidTimeTZ    = 1266
	oidTime      = 1083
)

// checkTypes refuses columns that cannot be read as declared at all.
func (s *Stream) checkTypes(fields []pgconn.FieldDescription) error {
	for i, d := range fields {
		if i >= len(s.columns) {
			break // a key repeated for the position
		}
		f := s.columns[i].field
		switch {
		case f.Type.Kind == schemas.Timestamp && d.DataTypeOID == oidTimestamp && f.Zone != "":
			return fmt.Errorf("column of %s is a timestamp with time zone already: remove zone and format", f.Name)
		case f.Type.Kind == schemas.Timestamp && d.DataTypeOID == oidTimestamp:
			return fmt.Errorf("column of %s is a timestamp without time zone, which names no instant: declare format: \"%%Y-%%m-%%d %%H:%%M:%%S\" and the zone that it is meant in, as in zone: Europe/Lisbon", f.Name)
		case f.Type.Kind == schemas.Timestamp && (d.DataTypeOID == oidDate || d.DataTypeOID == oidTime):
			return fmt.Errorf("column of %s is no timestamp: declare it as date or time", f.Name)
		case f.Type.Kind == schemas.Time && d.DataTypeOID == oidTimeTZ:
			return fmt.Errorf("column of %s is a time with time zone, which is not kept: declare it as string", f.Name)
		}
	}
	return nil
}

// set gives a builder one column's text as PostgreSQL writes it; nil is null. A
// text that does not fit the type refuses the row.
func (c column) set(b *schemas.RowBuilder, text []byte) {
	if text == nil {
		b.SetNull(c.at)
		return
	}
	switch c.field.Type.Kind {
	case schemas.Bool:
		b.SetCanonical(c.at, map[string]string{"t": "true", "f": "false"}[string(text)])
	case schemas.Double:
		n, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			b.SetCanonical(c.at, string(text))
			return
		}
		b.SetValue(c.at, n)
	default:
		b.SetValue(c.at, string(text))
	}
}

// input is a canonical text as PostgreSQL reads it in a column of the field's type.
func (c column) input(canonical string) (string, error) {
	if c.field.Type.Kind != schemas.Timestamp {
		return canonical, nil
	}
	us, err := strconv.ParseInt(canonical, 10, 64)
	if err != nil {
		return "", fmt.Errorf("field %s: %q is no timestamp", c.field.Name, canonical)
	}
	return instant(us), nil
}

// target is where a value of the field stands in a SET list or in VALUES, given
// its parameter.
func (c column) target(parameter string) string {
	if c.field.Zone != "" {
		return "(" + parameter + "::timestamptz AT TIME ZONE " + literal(c.field.Zone) + ")"
	}
	return parameter
}

// instant writes UTC microseconds so that PostgreSQL reads them exactly.
func instant(us int64) string {
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.999999Z07:00")
}

// orderOf is a cursor's text as a number: microseconds rounded down, or itself.
func (c *cursorColumn) orderOf(text string) (int64, bool) {
	if !c.isTime {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999999-07", "2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999-07:00:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

// bound is the parameter of a lower bound.
func (c *cursorColumn) bound(order int64, literal string) string {
	switch {
	case literal != "":
		return literal
	case c.isTime:
		return instant(order)
	}
	return strconv.FormatInt(order, 10)
}
