package schemas

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// Hashes are stored for good: a row whose hash changes is news, and one whose key
// hashes otherwise is lost. No line of these two tables may ever change.
func TestGoldenHashesOfKeys(t *testing.T) {
	for key, want := range map[string]int64{
		"": 3244421341483603138, "HMABC123": 1660860966835062018, `["a","b"]`: 9203916883647253953, "é": -606849052844159821, strings.Repeat("k", 300): 4508134653262363296,
	} {
		if got := HashKey(key); got != want {
			t.Errorf("%.20q: %d, not %d", key, got, want)
		}
	}
}

func goldenFields() []Field {
	return []Field{
		{Name: "id", Type: Type{Kind: String}}, {Name: "n", Type: Type{Kind: Int64}}, {Name: "d", Type: Type{Kind: Double}},
		{Name: "price", Type: Type{Kind: Decimal, Precision: 12, Scale: 2}}, {Name: "day", Type: Type{Kind: Date}},
		{Name: "clock", Type: Type{Kind: Time}}, {Name: "at", Type: Type{Kind: Timestamp}}, {Name: "ok", Type: Type{Kind: Bool}},
		{Name: "doc", Type: Type{Kind: JSON}}, {Name: "state", Type: Type{Kind: Enum, Values: []string{"a", "b"}}},
		{Name: "tags", Type: Type{Kind: List, Elem: &Type{Kind: String}}}, {Name: "seen", Type: Type{Kind: Int64}, Ignore: true},
	}
}

const goldenRecord = `{"id":"1","n":42,"d":0.1,"price":"12.5","day":"2024-02-29","clock":"15:04:05.5","at":"2024-02-29T15:04:05+01:00",` +
	`"ok":true,"doc":{"b":1,"a":[]},"state":"b","tags":["x","y"],"seen":7,"more":{"z":1}}`

func rowHash(t *testing.T, fields []Field, key, record string) int64 {
	t.Helper()
	rec := decodeAll(t, DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}}, record)
	return NewRowHasher(fields).Hash(key, "1", rec, 0)
}

func TestGoldenHashesOfRows(t *testing.T) {
	for record, want := range map[string]int64{
		goldenRecord:                          -5587762318612525817,
		`{"id":"1"}`:                          -6974063360028600553,
		`{"id":"1","n":null,"day":null}`:      -3519791853444737497,
		`{"id":"1","n":0,"extra":"\u00e9"}`:   5466724608583383436,
		`{"id":"1","d":-0.0,"price":1e3}`:     -6927010984323155017,
		`{"id":"1","at":"1969-12-31T23:59Z"}`: 7101253682320485925,
	} {
		if got := rowHash(t, goldenFields(), "k", record); got != want {
			t.Errorf("%s: %d, not %d", record, got, want)
		}
	}
}

func TestHashTellsEveryDifferenceThatCounts(t *testing.T) {
	same := [][2]string{
		{`{"id":"1","n":1,"day":"2024-01-02"}`, `{"day":"2024-01-02","n":1,"id":"1"}`},
		{`{"id":"1","seen":1}`, `{"id":"1","seen":2}`},
		{`{"id":"1","seen":1}`, `{"id":"1"}`},
		{`{"id":"1","price":"12.50"}`, `{"id":"1","price":12.5}`},
		{`{"id":"1","at":"2024-01-01T00:00:00Z"}`, `{"id":"1","at":"2024-01-01T01:00:00+01:00"}`},
		{`{"id":"1","doc":{"a":1,"b":1.0}}`, `{"id":"1","doc":{"b":1,"a":1e0}}`},
		{`{"id":"1","x":1,"y":2}`, `{"id":"1","y":2.0,"x":1}`},
	}
	for _, c := range same {
		if rowHash(t, goldenFields(), "k", c[0]) != rowHash(t, goldenFields(), "k", c[1]) {
			t.Errorf("%s and %s differ", c[0], c[1])
		}
	}
	different := []string{`{"id":"1"}`, `{"id":"1","n":null}`, `{"id":"1","n":0}`, `{"id":"1","n":1}`, `{"id":"1","doc":null}`,
		`{"id":"1","doc":"null"}`, `{"id":"1","doc":""}`, `{"id":"1","x":null}`, `{"id":"1","x":""}`, `{"id":"1","y":""}`,
		`{"id":"1","tags":[]}`, `{"id":"1","tags":["a,b"]}`, `{"id":"1","tags":["a","b"]}`, `{"id":"1","state":"a"}`}
	seen := map[int64]string{}
	for _, record := range different {
		h := rowHash(t, goldenFields(), "k", record)
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s are the same", record, other)
		}
		seen[h] = record
	}
	if rowHash(t, goldenFields(), "k", `{"id":"1"}`) == rowHash(t, goldenFields(), "l", `{"id":"1"}`) {
		t.Error("the key does not count")
	}
}

func TestAFieldDeclaredLaterChangesNoHash(t *testing.T) {
	record := `{"id":"1","n":1}`
	fields := goldenFields()
	before := rowHash(t, fields[:2], "k", record)
	if after := rowHash(t, fields, "k", record); after != before {
		t.Error("unset fields count")
	}
	fields[0], fields[1] = fields[1], fields[0]
	if after := rowHash(t, fields[:2], "k", record); after != before {
		t.Error("the order of declarations counts")
	}
}

func TestHashingAllocatesNothingAndMayRunSideBySide(t *testing.T) {
	fields := goldenFields()
	rec := decodeAll(t, DecodeSpec{Fields: fields, PrimaryKey: []string{"id"}}, goldenRecord)
	h := NewRowHasher(fields)
	cell := func(field int) (arrow.Array, int) { return rec.Column(firstField + field), 0 }
	want := h.HashCells("k", "1", ",", cell)
	if n := testing.AllocsPerRun(100, func() { h.HashCells("k", "1", ",", cell) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if got := h.HashCells("k", "1", ",", cell); got != want {
					t.Error(fmt.Sprint("got ", got))
				}
			}
		})
	}
	group.Wait()
}
