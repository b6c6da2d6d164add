package rest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/connector/connectortest"
)

func item(id string, updated any) string {
	return fmt.Sprintf(`{"id":%q,"ref":{"code":"c"},"note":null,"cents":1,"updated_at":%v}`, id, updated)
}

func last(batches []pipeline.Batch) pipeline.Checkpoint {
	for _, b := range slices.Backward(batches) {
		if b.Checkpoint != nil {
			return *b.Checkpoint
		}
	}
	return pipeline.Checkpoint{}
}

func TestTheCursorIsKeptInTheSourcesOwnWords(t *testing.T) {
	a := newAPI(t, "")
	serveBodies(a, `{"data":[`+item("1", "1700000000123")+`,`+item("2", "1.700000000124999e12")+`]}`)
	s, _ := newStream(t, a, parts{})
	_, batches, _, err := readAll(t, s, pipeline.ReadRequest{})
	want := pipeline.Cursor{Literal: "1.700000000124999e12", Order: 1_700_000_000_124_999, Set: true}
	if err != nil || last(batches).Cursor != want {
		t.Errorf("%+v, %v; want %+v", last(batches).Cursor, err, want)
	}
}

func TestALowerBoundThatWasMovedIsWrittenInTheFieldsForm(t *testing.T) {
	for form, want := range map[string]string{
		"{{ cursor }}": "1700000000123", "{{ cursor | rfc3339 }}": "2023-11-14T22:13:20Z", "{{ cursor | epoch_s }}": "1700000000",
		"{{ cursor | %d.%m.%Y }}": "14.11.2023",
	} {
		a := newAPI(t, "cursor")
		s, _ := streamOf(t, strings.Replace(parts{}.yaml(a.URL), "{{ cursor | epoch_ms }}", form, 1), Deps{})
		since := pipeline.Cursor{Literal: "1700000600123", Order: 1_700_000_600_123_456, Set: true}
		since.Back(600_000_000, true)
		if _, _, _, err := readAll(t, s, pipeline.ReadRequest{Mode: pipeline.Incremental, Since: since}); err != nil {
			t.Fatal(err)
		}
		if got := a.requests()[0].query; !strings.Contains(got, "updated_since="+strings.ReplaceAll(want, ":", "%3A")) {
			t.Errorf("%s: %s, want %s", form, got, want)
		}
	}
	a := newAPI(t, "cursor")
	s, _ := newStream(t, a, parts{})
	_, _, _, _ = readAll(t, s, pipeline.ReadRequest{})
	if got := a.requests()[0].query; strings.Contains(got, "updated_since") {
		t.Errorf("a sweep asks with %s", got)
	}
}

func TestANullCursorHasADeclaredPolicy(t *testing.T) {
	for policy, fails := range map[string]bool{"read": false, "fail": true} {
		a := newAPI(t, "")
		serveBodies(a, `{"data":[`+item("1", 5)+`,`+item("2", "null")+`]}`)
		s, _ := newStream(t, a, parts{incremental: "{cursor_field: updated_at, null_cursor: " + policy + "}"})
		ids, batches, _, err := readAll(t, s, pipeline.ReadRequest{})
		if fails && (fault.KindOf(err) != fault.Permanent || len(batches) != 0) || !fails && (err != nil || len(ids) != 2 || last(batches).Cursor.Order != 5000) {
			t.Errorf("%s: %v, %+v, %v", policy, ids, last(batches), err)
		}
	}
}

func TestATimeBeyondNowDoesNotMoveTheCursor(t *testing.T) {
	a := newAPI(t, "")
	now := time.Now().UnixMilli()
	serveBodies(a, `{"data":[`+item("1", now-1000)+`,`+item("2", now+86_400_000)+`]}`)
	s, _ := newStream(t, a, parts{})
	ids, batches, end, err := readAll(t, s, pipeline.ReadRequest{})
	if got := last(batches).Cursor.Order; err != nil || !end.Proven || len(ids) != 2 || got != (now-1000)*1000 {
		t.Errorf("%v, cursor %d, %v", ids, got, err)
	}
}

func TestCheckpointOnlyOverAVerifiedTotalOrder(t *testing.T) {
	read := func(p parts) ([]pipeline.Batch, error) {
		a := newAPI(t, "")
		serveBodies(a, `{"data":[`+item("1", 5)+`,`+item("2", 7)+`],"meta":{"next":"b"}}`, `{"data":[`+item("3", 7)+`],"meta":{"next":"c"}}`,
			`{"data":[`+item("4", 6)+`]}`)
		s, _ := newStream(t, a, p)
		_, batches, _, err := readAll(t, s, pipeline.ReadRequest{Mode: pipeline.Incremental})
		return batches, err
	}
	batches, err := read(parts{})
	if err != nil || batches[0].Checkpoint.Cursor.Set || batches[1].Checkpoint.Cursor.Set || last(batches).Cursor.Order != 7000 {
		t.Errorf("undeclared: the cursor moves only at the end; got %+v, %v", batches, err)
	}
	batches, err = read(parts{extract: "ordered: true"})
	if fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), "record 4 comes after") || last(batches).Cursor.Order != 7000 {
		t.Errorf("declared and broken: %+v, %v", last(batches), err)
	}
}

func TestARecordThatDoesNotFitIsADeadLetterAndStopsNothing(t *testing.T) {
	a := newAPI(t, "")
	serveBodies(a, `{"data":[`+item("1", 5)+`,{"id":"2","cents":"many","updated_at":6},{"cents":1},`+item("3", 7)+`]}`)
	s, _ := newStream(t, a, parts{})
	ids, batches, end, err := readAll(t, s, pipeline.ReadRequest{Partition: pipeline.Partition{Name: "p"}})
	if err != nil || !end.Proven || !slices.Equal(ids, []string{"1", "3"}) || len(batches[0].Dead) != 2 || last(batches).Cursor.Order != 7000 {
		t.Fatalf("%v, %+v, %v", ids, batches, err)
	}
	if d := batches[0].Dead[0]; d.ID != "2" || d.Field != "cents" || d.Partition != "p" || d.Reason == "" || !strings.Contains(d.Payload, "many") || d.AskedAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if d := batches[0].Dead[1]; d.ID != "" {
		t.Errorf("%+v", d)
	}
}

func TestATokenThatIsForgottenBeginsThePassAnew(t *testing.T) {
	a := newAPI(t, "cursor")
	s, _ := newStream(t, a, parts{})
	fill(a, 10)
	_, batches, _, err := readAll(t, s, pipeline.ReadRequest{Run: "R"})
	if err != nil {
		t.Fatal(err)
	}
	from := *batches[0].Checkpoint
	a.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("cursor") == "tok4" && len(a.log) == 4 {
			http.Error(w, `{"error":"no such cursor"}`, 400)
			return true
		}
		return false
	}
	ids, _, end, err := readAll(t, s, pipeline.ReadRequest{Run: "R", From: from})
	if err != nil || !end.Proven || distinct(ids) != 10 {
		t.Errorf("%d of 10 records, %+v, %v", distinct(ids), end, err)
	}
}

// The run of a sweep's request is the one that began it. Pages of a listing that
// promises no order are no points to go on from in a later process.
func TestASweepDoesNotGoOnWithAnotherPass(t *testing.T) {
	sweep, changes := pipeline.Sweep, pipeline.Incremental
	for _, c := range []struct {
		before, after pipeline.ReadRequest
		free          bool
		want          int
	}{
		{pipeline.ReadRequest{Run: "A", Mode: sweep}, pipeline.ReadRequest{Run: "A", Mode: sweep}, false, 6},
		{pipeline.ReadRequest{Run: "A", Mode: sweep}, pipeline.ReadRequest{Run: "A", Mode: sweep}, true, 10},
		{pipeline.ReadRequest{Run: "A", Mode: sweep}, pipeline.ReadRequest{Run: "B", Mode: sweep}, false, 10},
		{pipeline.ReadRequest{Run: "A", Mode: changes}, pipeline.ReadRequest{Run: "A", Mode: sweep}, false, 10},
		{pipeline.ReadRequest{Run: "A", Mode: changes}, pipeline.ReadRequest{Run: "B", Mode: changes}, true, 6},
	} {
		a := newAPI(t, "cursor")
		a.ordered = !c.free
		s, _ := newStream(t, a, parts{extract: fmt.Sprintf("ordered: %v", !c.free)})
		fill(a, 10)
		_, batches, _, err := readAll(t, s, c.before)
		if err != nil {
			t.Fatal(err)
		}
		c.after.From = *batches[0].Checkpoint
		if ids, _, end, err := readAll(t, s, c.after); err != nil || !end.Proven || len(ids) != c.want {
			t.Errorf("%+v: %d rows, want %d; %v", c, len(ids), c.want, err)
		}
	}
}

func TestPartitionsAreListedAndAddressed(t *testing.T) {
	a := newAPI(t, "cursor")
	cases := map[string]struct {
		extract string
		want    []string
		query   string
	}{
		"values":  {"partition: {param: listing, values: [b, a/1]}", []string{"a/1", "b"}, "listing=a%2F1"},
		"request": {"partition: {param: listing, from: {path: /v2/items, records: data, value: ref.code, paginate: {cursor: {next: meta.next, param: cursor}}}}", []string{"C0s", "C1ns", "C2ns", "C3ns", "C4ns"}, "listing=C0s"},
		"windows": {"partition: {windows: {from: 2025-01-01, size: 31d}}", nil, ""},
	}
	fill(a, 5)
	for name, c := range cases {
		s, _ := newStream(t, a, parts{extract: c.extract})
		got, err := s.Partitions(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.want == nil {
			first, last := got[0], got[len(got)-1]
			if first.Params[windowStart] != "2025-01-01T00:00:00Z" || first.Params[windowEnd] != "2025-02-01T00:00:00Z" || last.Params[windowEnd] != "" {
				t.Errorf("%s: %v ... %v", name, first, last)
			}
			continue
		}
		var names []string
		for _, p := range got {
			names = append(names, p.Name)
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%s: %v, want %v", name, names, c.want)
		}
		if _, _, _, err := readAll(t, s, pipeline.ReadRequest{Partition: got[0]}); err != nil {
			t.Fatal(err)
		}
		if log := a.requests(); !strings.Contains(log[len(log)-1].query, c.query) {
			t.Errorf("%s: read by %s", name, log[len(log)-1].query)
		}
	}
}

func TestAnUnprovenListOfPartitionsIsAnError(t *testing.T) {
	a := newAPI(t, "cursor")
	list := "partition: {param: listing, from: {path: /v2/items, records: data, value: %s, paginate: {cursor: {next: meta.next, param: cursor}, max_window: 3}}}"
	fill(a, 3)
	for _, value := range []string{"ref.code", "nothing"} {
		s, _ := newStream(t, a, parts{extract: fmt.Sprintf(list, value)})
		if got, err := s.Partitions(t.Context()); err == nil {
			t.Errorf("%s: %v", value, got)
		}
	}
	a.Insert("C0s", nil, 1) // twice
	s, _ := newStream(t, a, parts{extract: strings.Replace(fmt.Sprintf(list, "ref.code"), ", max_window: 3", "", 1)})
	if got, err := s.Partitions(t.Context()); err == nil {
		t.Errorf("twice: %v", got)
	}
}

func TestFetchTellsGoneFromFailed(t *testing.T) {
	a := newAPI(t, "cursor")
	ids := fill(a, 2)
	s, _ := newStream(t, a, parts{})
	s.policy.MaxTries = 2
	a.answer = func(w http.ResponseWriter, r *http.Request) bool {
		statuses := map[string]int{"gone": 410, "forbidden": 403, "broken": 500}
		id := strings.TrimPrefix(r.URL.Path, "/api/v2/items/")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case statuses[id] != 0:
			w.WriteHeader(statuses[id])
		case id == "other":
			fmt.Fprintf(w, `{"data":%s}`, item("r00001", 1))
		case id == "unfit":
			fmt.Fprint(w, `{"data":{"id":"unfit","cents":"x"}}`)
		case id == "elsewhere":
			fmt.Fprint(w, `{"deleted":true}`)
		case id == "slash/..":
			w.WriteHeader(404)
		default:
			return false
		}
		return true
	}
	got, err := s.Fetch(t.Context(), []string{ids[0], "gone", "forbidden", "broken", "other", "unfit", "elsewhere", "slash/..", "..", ids[1]})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Batch.Rows.Release()
	failed := slices.Sorted(maps.Keys(got.Failed))
	if !slices.Equal(column0(got.Batch.Rows), ids) || !slices.Equal(got.Gone, []string{"gone", "slash/.."}) ||
		!slices.Equal(failed, []string{"..", "broken", "elsewhere", "forbidden", "other", "unfit"}) {
		t.Errorf("live %v, gone %v, failed %v", column0(got.Batch.Rows), got.Gone, got.Failed)
	}
	if etag := column(got.Batch.Rows, pipeline.ColETag).(*array.String).Value(0); etag != `"`+ids[0]+`-1"` {
		t.Errorf("ETag %s", etag)
	}
}

func TestSearchHasThreeAnswers(t *testing.T) {
	a := newAPI(t, "cursor")
	s, _ := newStream(t, a, parts{extract: `search: {path: /v2/items, query: {code: "{{ key.code }}"}, unique: true}`})
	for range 2 {
		a.Insert("twin", nil, 1)
	}
	for range 9 {
		a.Insert("many", nil, 1)
	}
	a.Insert("one", nil, 1)
	for code, want := range map[string]int64{"none": 0, "one": 1, "twin": 2, "many": 9} {
		b, err := s.Search(t.Context(), map[string]string{"code": code})
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		if b.Rows != nil {
			n = b.Rows.NumRows()
			b.Rows.Release()
		}
		if n != want {
			t.Errorf("%s: %d, want %d", code, n, want)
		}
	}
	a.FailNext(connectortest.Garbage)
	s.policy.MaxTries = 1
	if _, err := s.Search(t.Context(), map[string]string{"code": "one"}); fault.KindOf(err) != fault.Transient {
		t.Errorf("a search that failed: %v", err)
	}
}

func TestETagsOfListingsAreKept(t *testing.T) {
	a := newAPI(t, "cursor")
	s, _ := newStream(t, a, parts{extract: "etag: etag"})
	fill(a, 1)
	_, err := s.Read(t.Context(), pipeline.ReadRequest{Mode: pipeline.Sweep}, func(b pipeline.Batch) error {
		if got := column(b.Rows, pipeline.ColETag).(*array.String).Value(0); got != `"r00001-1"` {
			t.Errorf("ETag %q", got)
		}
		b.Rows.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
