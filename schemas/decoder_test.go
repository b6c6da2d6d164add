package schemas

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/go-cmp/cmp"
)

var askedAt = time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC)

// decodeAll decodes records that must all fit.
func decodeAll(t testing.TB, spec DecodeSpec, records ...string) arrow.RecordBatch {
	t.Helper()
	d, err := NewDecoder(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if refusal := d.Append([]byte(r), RowMeta{AskedAt: askedAt}); refusal != nil {
			t.Fatalf("%s: %v", r, refusal)
		}
	}
	return d.Flush()
}

// shown is a row as text: every column that is not null.
func shown(rec arrow.RecordBatch, columns []Column, row int) map[string]string {
	out := map[string]string{}
	for i, c := range columns {
		if text, ok := c.Type.Canonical(rec.Column(i), row); ok {
			out[c.Name] = text
		}
	}
	return out
}

func TestAnObservationKeepsWhatTheRecordSaysOfEachField(t *testing.T) {
	spec := DecodeSpec{PrimaryKey: []string{"id"}, Version: "updated", Fields: []Field{
		{Name: "id", Type: Type{Kind: String}}, {Name: "name", Type: Type{Kind: String}, Path: "guest.name"},
		{Name: "age", Type: Type{Kind: Int64}, Path: "guest.age"}, {Name: "note", Type: Type{Kind: String}, AbsentNull: true},
		{Name: "updated", Type: Type{Kind: Timestamp}, Format: FormatEpochMS},
	}}
	fixed := func(more map[string]string) map[string]string {
		out := map[string]string{ColID: "1", "id": "1", ColOp: OpUpsert, ColAskedAt: fmt.Sprint(askedAt.UnixMicro())}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	for _, c := range []struct {
		record string
		want   map[string]string
	}{
		{`{"id":"1","guest":{"name":"Ana","age":30},"note":"n","updated":1700000000123}`, fixed(map[string]string{
			ColPresent: ",age,id,name,note,updated,", ColNulls: ",", "name": "Ana", "age": "30", "note": "n",
			"updated": "1700000000123000", ColVersion: "1700000000123000"})},
		{`{"id":"1"}`, fixed(map[string]string{ColPresent: ",id,note,", ColNulls: ",note,"})},
		{`{"id":"1","note":"","guest":{}}`, fixed(map[string]string{ColPresent: ",id,note,", ColNulls: ",", "note": ""})},
		{`{"id":"1","note":null,"guest":null}`, fixed(map[string]string{ColPresent: ",age,id,name,note,", ColNulls: ",age,name,note,"})},
		{`{"id":"1","note":"n","guest":{"name":null}}`, fixed(map[string]string{ColPresent: ",id,name,note,", ColNulls: ",name,", "note": "n"})},
		{`{"z":[1.0],"guest":{"vip":true,"a":null,"name":"B"},"id":"1","note":"n","b":"\u00e9"}`, fixed(map[string]string{
			ColPresent: ",id,name,note,", ColNulls: ",", "name": "B", "note": "n", ColExtra: `{"b":"é","guest":{"a":null,"vip":true},"z":[1]}`})},
	} {
		got := shown(decodeAll(t, spec, c.record), ObservationColumns(spec.Fields), 0)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.record, diff)
		}
	}
}

func TestMetaOfARow(t *testing.T) {
	fields := []Field{{Name: "id", Type: Type{Kind: String}}, {Name: "gone", Type: Type{Kind: Bool}, AbsentNull: true}}
	d, err := NewDecoder(DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	d.Append([]byte(`{"id":"1"}`), RowMeta{AskedAt: askedAt, ETag: `W/"7"`, Op: "delete"})
	if d.Len() != 1 || d.SizeBytes() == 0 {
		t.Errorf("%d rows, %d bytes", d.Len(), d.SizeBytes())
	}
	got := shown(d.Flush(), ObservationColumns(fields), 0)
	if got[ColOp] != "delete" || got[ColETag] != `W/"7"` || got[ColPresent] != ",id," || got[ColNulls] != "," {
		t.Errorf("%v: a delete carries no absent fields", got)
	}
	if d.Len() != 0 || d.SizeBytes() != 0 || d.Flush().NumRows() != 0 {
		t.Error("a flush leaves rows behind")
	}
}

func TestIDsOfSeveralFields(t *testing.T) {
	fields := []Field{{Name: "n", Type: Type{Kind: Int64}}, {Name: "day", Type: Type{Kind: Date}}}
	rec := decodeAll(t, DecodeSpec{Fields: fields, PrimaryKey: []string{"day", "n"}}, `{"n":7,"day":"2024-02-29"}`)
	if got := shown(rec, ObservationColumns(fields), 0)[ColID]; got != `["2024-02-29","7"]` {
		t.Error(got)
	}
}

func TestBatchesAreIndependentOfEachOther(t *testing.T) {
	fields := goldenFields()
	d, err := NewDecoder(DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	record := func(i int) []byte {
		return fmt.Appendf(nil, `{"id":"%d","n":%d,"ok":%t,"price":%d.25,"more":%d}`, i, i, i%3 == 0, i, i)
	}
	var batches []arrow.RecordBatch
	for b := range 3 {
		buffer := make([]byte, 0, 100)
		for i := range 20 {
			buffer = append(buffer[:0], record(b*20+i)...) // the caller reuses its memory
			if refusal := d.Append(buffer, RowMeta{AskedAt: askedAt}); refusal != nil {
				t.Fatal(refusal)
			}
			if i%5 == 0 {
				d.Append([]byte(`{"id":"no","n":"x"}`), RowMeta{})
			}
		}
		batches = append(batches, d.Flush())
	}
	for b, rec := range batches {
		for i := range 20 {
			n := b*20 + i
			got := shown(rec, ObservationColumns(fields), i)
			if got["n"] != fmt.Sprint(n) || got["ok"] != fmt.Sprint(n%3 == 0) || got["price"] != fmt.Sprintf("%d.25", n) ||
				got[ColExtra] != fmt.Sprintf(`{"more":%d}`, n) || rec.NumRows() != 20 {
				t.Fatalf("row %d: %v", n, got)
			}
		}
	}
}

func TestSpecsThatContradictThemselvesAreRefused(t *testing.T) {
	id := Field{Name: "id", Type: Type{Kind: String}}
	for reason, spec := range map[string]DecodeSpec{
		"no primary key":             {Fields: []Field{id}},
		`"x" is no declared field`:   {Fields: []Field{id}, PrimaryKey: []string{"x"}},
		"declared twice":             {Fields: []Field{id, id}, PrimaryKey: []string{"id"}},
		"its path is declared":       {Fields: []Field{id, {Name: "b", Path: "id", Type: id.Type}}, PrimaryKey: []string{"id"}},
		"lies within another's":      {Fields: []Field{id, {Name: "b", Path: "id.x", Type: id.Type}}, PrimaryKey: []string{"id"}},
		`version "v" is no declared`: {Fields: []Field{id}, PrimaryKey: []string{"id"}, Version: "v"},
		"a version is a timestamp":   {Fields: []Field{id}, PrimaryKey: []string{"id"}, Version: "id"},
		"has an empty name":          {Fields: []Field{{Name: "id", Path: "a..b", Type: id.Type}}, PrimaryKey: []string{"id"}},
		"Trueup's own":               {Fields: []Field{{Name: "_id", Type: id.Type}}, PrimaryKey: []string{"_id"}},
		"no comma":                   {Fields: []Field{{Name: "a,b", Type: id.Type}}, PrimaryKey: []string{"a,b"}},
		"has no effect":              {Fields: []Field{{Name: "id", Type: id.Type, Format: "text"}}, PrimaryKey: []string{"id"}},
		"scale 0 to":                 {Fields: []Field{{Name: "id", Type: Type{Kind: Decimal}}}, PrimaryKey: []string{"id"}},
	} {
		if _, err := NewDecoder(spec); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func TestPathsMayHoldDots(t *testing.T) {
	fields := []Field{{Name: "id", Type: Type{Kind: String}}, {Name: "v", Type: Type{Kind: String}, Path: `a\.b.c\\d`},
		{Name: "x.y", Type: Type{Kind: String}}}
	rec := decodeAll(t, DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}}, `{"id":"1","a.b":{"c\\d":"deep"},"x.y":"flat"}`)
	if got := shown(rec, ObservationColumns(fields), 0); got["v"] != "deep" || got["x.y"] != "flat" {
		t.Error(got)
	}
}

func TestRefusalsNameTheRecordTheFieldAndTheReason(t *testing.T) {
	spec := DecodeSpec{PrimaryKey: []string{"id"}, Fields: []Field{
		{Name: "n", Type: Type{Kind: Int64}}, {Name: "name", Type: Type{Kind: String}, Path: "guest.name"}, {Name: "id", Type: Type{Kind: String}}}}
	for _, c := range []struct{ record, id, field, reason string }{
		{`{"n":"12","id":"7"}`, "7", "n", "declare format: text"},
		{`{"id":"7","n":1.5}`, "7", "n", "not an integer"},
		{`{"id":"7","n":{}}`, "7", "n", "it is an object, where int64 is declared"},
		{`{"id":"7","guest":"Ana"}`, "7", "name", `its path leads through "guest", which is no object`},
		{`{"id":"7","guest":[]}`, "7", "name", "which is no object"},
		{`{"n":1}`, "", "id", "the primary key is missing"},
		{`{"id":null}`, "", "id", "the primary key is missing"},
		{`{"id":""}`, "", "id", "the primary key is missing"},
		{`{"id":"7","id":"8"}`, "7", "", `the name "id" is there twice`},
		{`{"id":"7","x":1,"x":1}`, "7", "", `the name "x" is there twice`},
		{`{"id":"7","x":{"y":1,"\u0079":1}}`, "7", "", `the name "y" is there twice`},
		{`{"id":"7","guest":{"z":1,"z":2}}`, "7", "", `the name "z" is there twice`},
		{`{"id":"7","n":1`, "7", "", "ends too early"},
		{`{"id":"7"}{}`, "7", "", "something follows"},
		{`[]`, "", "", "no JSON object"},
		{`"x"`, "", "", "no JSON object"},
		{``, "", "", "ends too early"},
		{"{\"id\":\"7\",\"x\":\"\xff\"}", "7", "", "invalid UTF-8"},
		{`{"id":"7","x":"\ud800"}`, "7", "", "surrogate"},
		{`{"id":"7","x":1e99999999999}`, "7", "", "beyond anything"},
	} {
		d, err := NewDecoder(spec)
		if err != nil {
			t.Fatal(err)
		}
		got := d.Append([]byte(c.record), RowMeta{AskedAt: askedAt})
		if got == nil || got.ID != c.id || got.Field != c.field || !strings.Contains(got.Reason, c.reason) || d.Len() != 0 {
			t.Errorf("%s: %+v", c.record, got)
			continue
		}
		if got.Payload != strings.ToValidUTF8(c.record, "\ufffd") || !strings.Contains(got.Error(), got.Reason) {
			t.Errorf("%s: payload %s", c.record, got.Payload)
		}
		if refusal := d.Append([]byte(`{"id":"8","n":1,"more":true}`), RowMeta{}); refusal != nil {
			t.Errorf("%s spoils the record after it: %v", c.record, refusal)
		}
		if row := shown(d.Flush(), ObservationColumns(spec.Fields), 0); row[ColID] != "8" || row[ColExtra] != `{"more":true}` {
			t.Errorf("%s spoils the record after it: %v", c.record, row)
		}
	}
}

func TestPayloadsOfRefusalsAreBounded(t *testing.T) {
	record := `{"id":"7","n":"` + strings.Repeat("é", MaxPayload) + `"}`
	d, err := NewDecoder(DecodeSpec{PrimaryKey: []string{"id"}, Fields: []Field{{Name: "id", Type: Type{Kind: String}}, {Name: "n", Type: Type{Kind: Int64}}}})
	if err != nil {
		t.Fatal(err)
	}
	got := d.Append([]byte(record), RowMeta{})
	if got == nil || len(got.Payload) > MaxPayload+2 || !strings.HasPrefix(record, got.Payload[:MaxPayload-2]) {
		t.Errorf("%d bytes", len(got.Payload))
	}
}
