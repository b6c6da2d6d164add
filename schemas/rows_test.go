package schemas

import (
	"database/sql/driver"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// numeric stands for a driver's own type.
type numeric struct {
	text string
	err  error
}

// Value is as drivers define it.
func (n numeric) Value() (driver.Value, error) { return n.text, n.err }

func TestValuesOfDriversBecomeTheSameCanonicalText(t *testing.T) {
	lisbon, err := time.LoadLocation("Europe/Lisbon")
	if err != nil {
		t.Fatal(err)
	}
	const refused = "refused: "
	for _, c := range []struct {
		typ  string
		v    any
		want string // "": null
	}{
		{"string", "007", "007"}, {"string", int64(7), "7"}, {"string", []byte("x"), "x"},
		{"string", [16]byte{0x12, 0x34, 15: 0xff}, "12340000-0000-0000-0000-0000000000ff"},
		{"string", nil, ""}, {"string", 1.5, refused + "select it as text"},
		{"string", time.Unix(0, 0), refused + "it is a time"}, {"string", []string{"a"}, refused + "[]string"},
		{"int64", int32(-5), "-5"}, {"int64", uint16(5), "5"}, {"int64", "12", "12"}, {"int64", true, refused + "a boolean"},
		{"int64", 1.0, refused + "select it as text"},
		{"bool", true, "true"}, {"bool", int64(1), refused + "neither"},
		{"double", 0.1, "0.1"}, {"double", float32(0.5), "0.5"}, {"double", int64(3), "3"}, {"double", math.Copysign(0, -1), "0"},
		{"double", math.NaN(), refused + "no number that can be compared"}, {"double", math.Inf(1), refused + "no number"},
		{"decimal(12,2)", numeric{text: "12.5"}, "12.50"}, {"decimal(12,2)", "12.505", refused + "more than 2 digits"},
		{"decimal(12,2)", numeric{err: errors.New("broken")}, refused + "broken"}, {"decimal(12,2)", 0.1, refused + "select it as text"},
		{"decimal(12,2)", "NaN", refused + "not a number"},
		{"date", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), "2024-02-29"}, {"date", "2024-02-30", refused + "no day"},
		{"date", time.Date(2024, 2, 29, 1, 0, 0, 0, time.UTC), refused + "time of day"},
		{"time", "15:04:05.5", "15:04:05.5"},
		{"timestamp", time.Date(2024, 7, 1, 12, 0, 0, 1999, lisbon), "1719831600000001"},
		{"timestamp", "2024-02-29 16:04:05+01", "1709219045000000"}, {"timestamp", int64(5), refused + "it is an integer"},
		{"timestamp", "2024-02-29 16:04:05", refused + "names no offset"},
		{"timestamp", time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), refused + "years 1 to 9999"},
		{"json", []byte(`{"b":1,"a":2.0}`), `{"a":2,"b":1}`}, {"json", "{", refused + "too early"},
		{"list(int64)", `[1.0]`, `[1]`}, {"enum(a)", "b", refused + "none of a"},
	} {
		fields := []Field{{Name: "id", Type: Type{Kind: String}}, field(t, c.typ)}
		b, err := NewRowBuilder(DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}})
		if err != nil {
			t.Fatal(err)
		}
		b.SetCanonical(0, "1")
		b.SetValue(1, c.v)
		refusal := b.Finish(RowMeta{AskedAt: askedAt}, []byte("payload"))
		if reason, isRefused := strings.CutPrefix(c.want, refused); isRefused {
			if refusal == nil || refusal.ID != "1" || refusal.Field != "f" || !strings.Contains(refusal.Reason, reason) || refusal.Payload != "payload" {
				t.Errorf("%s %v: %+v", c.typ, c.v, refusal)
			}
			continue
		}
		row := shown(b.Flush(), ObservationColumns(fields), 0)
		got, there := row["f"]
		if refusal != nil || got != c.want || there != (c.want != "") || (row[ColNulls] == ",f,") == there {
			t.Errorf("%s %v: %q, %v, %v", c.typ, c.v, got, refusal, row)
		}
	}
}

func TestRowsAreBuiltInAnyOrder(t *testing.T) {
	fields := []Field{{Name: "id", Type: Type{Kind: String}}, {Name: "a", Type: Type{Kind: Int64}}, {Name: "b", Type: Type{Kind: Int64}}}
	b, err := NewRowBuilder(DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}, Version: "b"})
	if err != nil {
		t.Fatal(err)
	}
	b.SetNull(2)
	b.SetCanonical(1, "7")
	b.SetAbsent(1)
	b.SetJSON(0, []byte(`"x\u0041"`))
	b.SetExtra(`{"more":1}`)
	if refusal := b.Finish(RowMeta{AskedAt: askedAt}, nil); refusal != nil {
		t.Fatal(refusal)
	}
	b.SetCanonical(1, "not a number")
	b.SetCanonical(2, "nor this")
	if refusal := b.Finish(RowMeta{}, nil); refusal == nil || refusal.Field != "a" || refusal.ID != "" {
		t.Errorf("%+v: the first reason counts", refusal)
	}
	rec := b.Flush()
	row := shown(rec, ObservationColumns(fields), 0)
	if rec.NumRows() != 1 || row[ColID] != "xA" || row[ColPresent] != ",b,id," || row[ColNulls] != ",b," || row[ColExtra] != `{"more":1}` {
		t.Errorf("%v", row)
	}
}

func TestVersionsAreNumbers(t *testing.T) {
	for typ, want := range map[string]string{"timestamp": "1709251200000000", "date": "1709164800000000", "int64": "12"} {
		f := field(t, typ)
		b, err := NewRowBuilder(DecodeSpec{Fields: []Field{f}, PrimaryKey: []string{"f"}, Version: "f"})
		if err != nil {
			t.Fatal(err)
		}
		b.SetCanonical(0, map[string]string{"timestamp": want, "date": "2024-02-29", "int64": "12"}[typ])
		b.Finish(RowMeta{}, nil)
		if got := shown(b.Flush(), ObservationColumns([]Field{f}), 0)[ColVersion]; got != want {
			t.Errorf("%s: %s", typ, got)
		}
	}
}
