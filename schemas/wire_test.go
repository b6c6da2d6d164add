package schemas

import (
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readWire gives the canonical text of a JSON value of a field.
func readWire(f Field, raw string) (string, error) {
	c, err := newCodec(f)
	if err != nil {
		return "", err
	}
	valid, err := readValue([]byte(raw))
	if err != nil {
		return "", err
	}
	v, text, err := c.read(valid, new([]byte))
	if err != nil {
		return "", err
	}
	return c.canonical(v, text), nil
}

// field makes a field of a type, format and zone: "timestamp|epoch_s|Europe/Lisbon".
func field(t testing.TB, spec string) Field {
	t.Helper()
	parts := append(strings.Split(spec, "|"), "", "")
	typ, err := ParseType(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	return Field{Name: "f", Type: typ, Format: parts[1], Zone: parts[2]}
}

func TestWireFormsAndWhatTheyMean(t *testing.T) {
	const refused = "refused: "
	for _, c := range []struct{ field, wire, lenient, strict string }{
		// IDs are text: leading zeros stay, and a number is not rounded on its way.
		{"string", `"007"`, "007", ""},
		{"string", `""`, "", ""},
		{"string", `9007199254740993`, "9007199254740993", refused + "a number"},
		{"string", `1.0`, "1", refused + "a number"},
		{"string", `true`, refused + "a boolean, where string is declared", refused + "a boolean"},
		{"string", `{}`, refused + "an object", refused + "an object"},
		{"string", `"a\u0000b"`, "a\x00b", ""},
		{"enum(open,closed)", `"open"`, "open", ""},
		{"enum(open,closed)", `"Open"`, refused + "none of open, closed", refused + "none of"},
		{"enum(1,2)", `1`, refused + "a number", refused + "a number"},
		{"bool", `true`, "true", ""},
		{"bool", `"true"`, refused + "a string, where bool is declared", refused + "a string"},
		{"bool", `1`, refused + "a number", refused + "a number"},

		{"int64", `-9223372036854775808`, "-9223372036854775808", ""},
		{"int64", `9223372036854775808`, refused + "outside of what an int64 holds", refused + "outside"},
		{"int64", `1.0`, "1", refused + "plain integer"},
		{"int64", `1.2e1`, "12", refused + "plain integer"},
		{"int64", `-0`, "0", refused + "plain integer"},
		{"int64", `1.5`, refused + "not an integer", refused + "plain integer"},
		{"int64", `1e400`, refused + "outside", refused + "plain integer"},
		{"int64", `9007199254740993.0`, "9007199254740993", refused + "plain integer"},
		{"int64", `"12"`, refused + "declare format: text", refused + "declare format: text"},
		{"int64|text", `"12"`, "12", ""},
		{"int64|text", `12`, "12", refused + "where a number in a string is declared"},
		{"int64|text", `"012"`, refused + "without leading zeros", refused + "without leading zeros"},
		{"int64|text", `" 12"`, refused + "not a number", refused + "not a number"},
		{"int64|text", `"+12"`, refused + "not a number", refused + "not a number"},
		{"int64|text", `"1,200"`, refused + "not a number", refused + "not a number"},
		{"int64|text", `""`, refused + "not a number", refused + "not a number"},

		{"double", `0.1`, "0.1", ""},
		{"double", `1e400`, refused + "outside of what a double holds", refused + "outside"},
		{"double", `1e-400`, refused + "outside", refused + "outside"},
		{"double", `-0.0`, "0", ""},
		{"double", `5e-324`, "4.94065645841247e-324", ""},
		{"double|text", `"NaN"`, refused + "not a number", refused + "not a number"},

		{"decimal(12,2)", `0.1`, "0.10", ""},
		{"decimal(12,2)", `1.10e1`, "11.00", ""},
		{"decimal(12,2)", `"12.5"`, "12.50", refused + "declare format: text"},
		{"decimal(12,2)|text", `"12.5"`, "12.50", ""},
		{"decimal(12,2)|text", `12.5`, "12.50", refused + "where a number in a string is declared"},
		{"decimal(12,2)", `0.005`, refused + "more than 2 digits behind the point", refused + "more than"},
		{"decimal(12,2)", `10000000000`, refused + "more digits than decimal(12,2) has", refused + "more digits"},
		{"decimal(12,2)", `1e400`, refused + "more digits", refused + "more digits"},
		{"decimal(12,2)", `"12,50"`, refused + "not a number", refused + "declare format"},

		{"date", `"2024-02-29"`, "2024-02-29", ""},
		{"date", `"2024-02-30"`, refused + "there is no day 2024-02-30", refused + "there is no day"},
		{"date", `"2024-02-29T00:00:00Z"`, refused + "not a date", refused + "not a date"},
		{"date", `20240229`, refused + "a number", refused + "a number"},
		{"date|%d/%m/%Y", `"29/02/2024"`, "2024-02-29", ""},
		{"date|%d/%m/%Y", `"30/02/2024"`, refused + "there is no day 2024-02-30", refused + "there is no day"},
		{"date|%d/%m/%Y", `"9/2/2024"`, "2024-02-09", ""},
		{"date|%d/%m/%Y", `"29/02/24"`, refused + "the year has 2 digits, not 4", refused + "the year"},
		{"date|%d/%m/%Y", `"29/02/2024 "`, refused + "goes on", refused + "goes on"},
		{"date|%Y%m%d", `"20240229"`, "2024-02-29", ""},
		{"date|%e %B %Y", `" 9 february 2024"`, "2024-02-09", ""},
		{"date|%y-%j", `"68-366"`, "2068-12-31", ""},
		{"date|%y-%j", `"69-366"`, refused + "year 1969 has no day 366", refused + "no day 366"},

		{"time", `"15:04"`, "15:04:00", ""},
		{"time", `"15:04:05.120000"`, "15:04:05.12", ""},
		{"time", `"15:04:05.1234567"`, "15:04:05.123456", refused + "finer than a microsecond"},
		{"time", `"24:00:00"`, refused + "there is no time 24:00:00", refused + "there is no time"},
		{"time", `"15:04:05Z"`, refused + "something follows", refused + "something follows"},
		{"time|%I:%M %p", `"12:30 am"`, "00:30:00", ""},
		{"time|%I:%M %p", `"12:30 PM"`, "12:30:00", ""},
		{"time|%I:%M %p", `"13:30 PM"`, refused + "there is no hour 13 of twelve", refused + "no hour"},

		// A cursor is only ever rounded down, and a time without a zone is no instant.
		{"timestamp", `"2024-02-29T15:04:05Z"`, "1709219045000000", ""},
		{"timestamp", `"2024-02-29T15:04:05.999999999Z"`, "1709219045999999", refused + "finer than a microsecond"},
		{"timestamp", `"1969-12-31T23:59:59.9999999Z"`, "-1", refused + "finer"},
		{"timestamp", `"2024-02-29 16:04:05+01:00"`, "1709219045000000", refused + "not a time"},
		{"timestamp", `"2024-02-29T16:04:05+0100"`, "1709219045000000", ""},
		{"timestamp", `"2024-02-29T10:04-05"`, "1709219040000000", ""},
		{"timestamp", `"2024-02-29T15:04:05"`, refused + "names no offset from UTC", refused + "names no offset"},
		{"timestamp", `"2024-02-29"`, refused + "not a time", refused + "not a time"},
		{"timestamp", `"2024-02-30T15:04:05Z"`, refused + "there is no day", refused + "there is no day"},
		{"timestamp", `"2024-02-29T15:04:60Z"`, refused + "there is no time", refused + "there is no time"},
		{"timestamp", `"2024-02-29T15:04:05+25:00"`, refused + "does not end in an offset", refused + "does not end"},
		{"timestamp", `"0001-01-01T00:00:00+01:00"`, refused + "years 1 to 9999", refused + "years"},
		{"timestamp", `1709219045`, refused + "declare format: epoch_s", refused + "declare format"},
		{"timestamp|epoch_s", `1709219045`, "1709219045000000", ""},
		{"timestamp|epoch_s", `1709219045.1234567`, "1709219045123456", refused + "finer"},
		{"timestamp|epoch_s", `-0.0000001`, "-1", refused + "finer"},
		{"timestamp|epoch_s", `1.709219045e9`, "1709219045000000", ""},
		{"timestamp|epoch_s", `"1709219045"`, "1709219045000000", refused + "it is a string"},
		{"timestamp|epoch_s", `1709219045000`, refused + "years 1 to 9999", refused + "years"},
		{"timestamp|epoch_s", `1e400`, refused + "years 1 to 9999", refused + "years"},
		{"timestamp|epoch_ms", `1709219045123`, "1709219045123000", ""},
		{"timestamp|epoch_us", `1709219045123456`, "1709219045123456", ""},
		{"timestamp|%Y-%m-%d %H:%M:%S|Europe/Lisbon", `"2024-07-01 12:00:00"`, "1719831600000000", ""},
		{"timestamp|%Y-%m-%d %H:%M|Europe/Lisbon", `"2024-03-31 01:30"`, refused + "clocks in Europe/Lisbon skip this time", refused + "skip"},
		{"timestamp|%Y-%m-%d %H:%M|Europe/Lisbon", `"2024-10-27 01:30"`, "1729989000000000", refused + "show this time twice"},
		{"timestamp|%d.%m.%Y %H:%M:%S.%L %z", `"29.02.2024 16:04:05.120 +0100"`, "1709219045120000", ""},
		{"timestamp|%FT%T.%f%z", `"2024-02-29T15:04:05.000001Z"`, "1709219045000001", ""},
		{"timestamp|@%s", `"@-1"`, "-1000000", ""},

		{"json", `{"b":1.0,"a":null}`, `{"a":null,"b":1}`, ""},
		{"json", `"x"`, `"x"`, ""},
		{"list(string)", `["b","a"]`, `["b","a"]`, ""},
		{"list(string)", `["a",null]`, refused + "a list holds no null", refused + "no null"},
		{"list(string)", `"a"`, refused + "a string, where list(string) is declared", refused + "a string"},
		{"list(decimal(4,2))", `[1.50,"2"]`, `[1.5,2]`, ""},
		{"list(date)", `["2024-02-30"]`, refused + "element 1: there is no day", refused + "element 1"},
		{"list(timestamp)", `["2024-02-29T16:04:05+01:00"]`, `["2024-02-29T15:04:05Z"]`, ""},
		{"list(list(int64))", `[[1.0],[]]`, `[[1],[]]`, ""},
	} {
		f := field(t, c.field)
		for _, strict := range []bool{false, true} {
			want := c.lenient
			if f.Strict = strict; strict && c.strict != "" {
				want = c.strict
			}
			got, err := readWire(f, c.wire)
			if reason, isRefused := strings.CutPrefix(want, refused); isRefused {
				if err == nil || !strings.Contains(err.Error(), reason) {
					t.Errorf("%s %s, strict %v: %q, %v; want refused: %s", c.field, c.wire, strict, got, err, reason)
				}
			} else if err != nil || got != want {
				t.Errorf("%s %s, strict %v: %q, %v; want %q", c.field, c.wire, strict, got, err, want)
			}
		}
	}
}

func TestEveryFormatGivesBackTheValueThatItWrote(t *testing.T) {
	specs := []string{"string", "bool", "int64", "int64|text", "double", "double|text", "decimal(38,10)", "decimal(12,2)|text", "date",
		"date|%d/%m/%Y", "date|%Y-%j", "date|%e %b %Y", "time", "time|%H:%M:%S.%f", "time|%I:%M:%S.%f %p", "timestamp",
		"timestamp|epoch_s", "timestamp|epoch_ms", "timestamp|epoch_us", "timestamp|%FT%T.%f%z", "json", "enum(a,'b c')", "list(decimal(6,2))"}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		for _, spec := range specs {
			f := field(t, spec)
			canonical := randomCanonical(f.Type, rng)
			wire, err := EncodeJSON(f, &canonical)
			if err != nil {
				rt.Fatalf("%s %q: %v", spec, canonical, err)
			}
			f.Strict = true // what we write is in the exact form
			back, err := readWire(f, string(wire))
			if err != nil || back != canonical {
				rt.Fatalf("%s %q is written %s and read %q: %v", spec, canonical, wire, back, err)
			}
		}
	})
}

func TestEncodedForms(t *testing.T) {
	for _, c := range []struct{ field, canonical, wire string }{
		{"string", "a\"é\n", `"a\"é\n"`},
		{"int64", "42", `42`},
		{"int64|text", "42", `"42"`},
		{"double", "1e+15", `1e+15`},
		{"decimal(12,2)", "12.50", `12.50`},
		{"decimal(12,2)|text", "12.50", `"12.50"`},
		{"date", "2024-02-09", `"2024-02-09"`},
		{"date|%d/%m/%Y", "2024-02-09", `"09/02/2024"`},
		{"time", "15:04:05.5", `"15:04:05.5"`},
		{"timestamp", "1709219045120000", `"2024-02-29T15:04:05.12Z"`},
		{"timestamp", "-1", `"1969-12-31T23:59:59.999999Z"`},
		{"timestamp|epoch_s", "1709219045000000", `1709219045`},
		{"timestamp|epoch_s", "-1500000", `-1.5`},
		{"timestamp|epoch_ms", "1709219045120001", `1709219045120.001`},
		{"timestamp|%Y-%m-%d %H:%M:%S|Europe/Lisbon", "1719831600000000", `"2024-07-01 12:00:00"`},
		{"bool", "true", `true`},
		{"json", `{"a":1}`, `{"a":1}`},
		{"enum(a,b)", "b", `"b"`},
	} {
		wire, err := EncodeJSON(field(t, c.field), &c.canonical)
		if err != nil || string(wire) != c.wire {
			t.Errorf("%s %s: %s, %v; want %s", c.field, c.canonical, wire, err, c.wire)
		}
	}
	if wire, err := EncodeJSON(field(t, "int64"), nil); err != nil || string(wire) != "null" {
		t.Errorf("%s, %v", wire, err)
	}
}

func TestAValueThatItsFormatCannotHoldIsNotWritten(t *testing.T) {
	for _, c := range []struct{ field, canonical, reason string }{
		{"timestamp|%Y-%m-%d %H:%M|Europe/Lisbon", "1719831600500000", `would make it 2024-07-01 12:00`},
		{"timestamp|%Y-%m-%d %H:%M|Europe/Lisbon", "1729992600000000", "does not fit the field's format"}, // the second 01:30
		{"timestamp|%y-%m-%d %H:%M:%S.%f|UTC", "-3000000000000000", "does not fit"},
		{"date|%y%m%d", "2069-01-01", "does not fit"},
		{"time|%H:%M", "15:04:05", "does not fit"},
		{"timestamp|%s", "1500000", "does not fit"},
		{"double", "nan", "JSON has no number nan"},
		{"double", "inf", "JSON has no number inf"},
		{"int64", "1.0", "plain integer"},
		{"enum(a,b)", "c", "none of a, b"},
		{"json", "{", "ends too early"},
	} {
		if wire, err := EncodeJSON(field(t, c.field), &c.canonical); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s %s: %s, %v", c.field, c.canonical, wire, err)
		}
	}
}

func TestFormatsThatMeanNothingAreRefused(t *testing.T) {
	for spec, reason := range map[string]string{
		"int64|epoch_s":                         "written as number or text",
		"string|text":                           "has no effect",
		"date|epoch_s":                          "it needs a year",
		"date|%Y-%m":                            "it needs a year",
		"date|%Y-%m-%d %H":                      "a date has no time of day",
		"date|%Y-%m-%d%Y":                       "there twice",
		"date|%F %Y":                            "there twice",
		"date|%Y-%m-%d %q":                      "there is no %q",
		"date|%Y-%m-%d%":                        "single %",
		"time|%M:%S":                            "it needs an hour",
		"time|%I:%M":                            "it needs an hour",
		"time|%H:%S":                            "%M for %S",
		"time|%H:%M.%f":                         "%S for one of",
		"time|%H:%M %z":                         "no zone",
		"timestamp|%Y-%m-%d":                    "it needs an hour",
		"timestamp|%Y-%m-%d %H:%M":              "names no zone",
		"timestamp|%Y-%m-%d %H:%M|Lisbon":       "not a name of the IANA list",
		"timestamp|%Y-%m-%d %H:%M|Local":        "not a name of the IANA list",
		"timestamp|%Y-%m-%d %H:%M%z|UTC":        "carries the zone",
		"timestamp|%s %Y":                       "an instant by itself",
		"timestamp|epoch_s|UTC":                 "an epoch counts from an instant",
		"timestamp||UTC":                        "has no effect",
		"date|%d/%m/%Y|UTC":                     "has no effect",
		"timestamp|seconds":                     "it needs a year",
		"list(int64)|text":                      "has no effect",
		"timestamp|%Y-%m-%d %H:%M:%S.%f.%L|UTC": "%S for one of",
	} {
		if err := field(t, spec).Check(); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{goldenRecord, `{"id":1,"n":"1"}`, `{"id":"1","d":1e400}`, `{"id":"\u0000","more":{"a":[{}]}}`,
		`{"id":"1","guest":{"name":null,"x":[1,2]},"guest2":{}}`, `{"id":"1","at":1.5,"day":"30/02/2024"}`} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	fields := append(goldenFields(), Field{Name: "name", Type: Type{Kind: String}, Path: "guest.name"},
		Field{Name: "epoch", Type: Type{Kind: Timestamp}, Format: FormatEpochS, Path: "at2"},
		Field{Name: "local", Type: Type{Kind: Timestamp}, Format: "%d/%m/%y %I:%M %p", Zone: "Europe/Lisbon"})
	f.Fuzz(func(t *testing.T, record []byte, strict bool) {
		d, err := NewDecoder(DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}, Strict: strict})
		if err != nil {
			t.Fatal(err)
		}
		if refusal := d.Append(record, RowMeta{AskedAt: askedAt}); refusal != nil {
			if refusal.Reason == "" || d.Len() != 0 {
				t.Fatalf("%+v", refusal)
			}
			return
		}
		columns := ObservationColumns(fields)
		row := shown(d.Flush(), columns, 0)
		if _, err := CanonicalJSON(record); err != nil && !strings.Contains(err.Error(), "beyond") {
			t.Fatalf("%s is taken for a record: %v", record, err)
		}
		for _, f := range fields {
			canonical, ok := row[f.Name]
			if !ok {
				continue
			}
			wire, err := EncodeJSON(f, &canonical)
			if err != nil {
				t.Fatalf("%s: %q of %s cannot be written: %v", record, canonical, f.Name, err)
			}
			if back, err := readWire(f, string(wire)); err != nil || back != canonical {
				t.Fatalf("%s: %s %q is written %s and read %q: %v", record, f.Name, canonical, wire, back, err)
			}
		}
		if extra, ok := row[ColExtra]; ok {
			if again, err := CanonicalJSON([]byte(extra)); err != nil || again != extra {
				t.Fatalf("%s: %s: %v", record, extra, err)
			}
		}
	})
}
