package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/schemas"
)

func ptr(s string) *string { return &s }

// base decodes a raw record as extract would have stored it.
func base(t *testing.T, s *Stream, raw string) *pipeline.Batch {
	t.Helper()
	d, err := schemas.NewDecoder(s.decode)
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Append([]byte(raw), schemas.RowMeta{}); r != nil {
		t.Fatal(r)
	}
	rows := d.Flush()
	t.Cleanup(rows.Release)
	return &pipeline.Batch{Rows: rows}
}

func TestPrepareRendersTheExactBytes(t *testing.T) {
	const raw = `{"id":"7","ref":{"code":"A","kind":"x"},"note":null,"tags":["a",{"b":1}],"updated_at":1700000000123}`
	common := "\n          fields: {cents: cents, note: note, ref.code: code}\n"
	update := pipeline.Write{Change: "chg", Op: pipeline.OpUpdate, Key: "K/1", KeyFields: map[string]string{"code": "K/1"}, ID: "7/..",
		After: pipeline.Values{"cents": ptr("250"), "code": ptr(`B"`), "note": nil}, IdempotencyKey: "idem", ETag: `"v1"`}
	create, del := update, update
	create.Op, create.ID, del.Op, del.After = pipeline.OpCreate, "", pipeline.OpDelete, nil
	for _, c := range []struct {
		name, write string
		w           pipeline.Write
		raw         string
		want        pipeline.Request
	}{
		{"PATCH: changed fields only, nested", `          update: {path: "/v2/items/{{ id }}"}`, update, raw,
			pipeline.Request{Method: "PATCH", Path: "/v2/items/7%2F..", Header: map[string]string{"Content-Type": "application/json"},
				Body: `{"cents":250,"note":null,"ref":{"code":"B\""}}`}},
		{"PUT: the whole record, unset fields left out", `          update: {method: PUT, path: "/v2/items/{{ id }}"}`,
			withAfter(update, pipeline.Values{"code": ptr("B")}), raw,
			pipeline.Request{Method: "PUT", Whole: true, Path: "/v2/items/7%2F..", Header: map[string]string{"Content-Type": "application/json"},
				Body: `{"id":"7","note":null,"ref":{"code":"B","kind":"x"},"tags":["a",{"b":1}],"updated_at":1700000000123}`}},
		{"POST", "          create: {path: /v2/items}\n          idempotency: {header: Idempotency-Key, retention: 1h}", create, "",
			pipeline.Request{Method: "POST", Path: "/v2/items", Header: map[string]string{"Content-Type": "application/json", "Idempotency-Key": "idem"},
				Body: `{"cents":250,"note":null,"ref":{"code":"B\""}}`}},
		{"DELETE", "          update: {path: /v2/items}\n          delete: {path: \"/v2/items/{{ id }}\"}\n          precondition: {header: If-Match, from: {header: ETag}}", del, "",
			pipeline.Request{Method: "DELETE", Path: "/v2/items/7%2F..", Header: map[string]string{"If-Match": `"v1"`}}},
		{"a body and headers of its own", `          update: {method: POST, path: "/v2/items/{{ key.code }}/set", headers: {content-type: application/vnd.x+json, X-Change: "{{ change }}"}, body: {item: "{{ fields | json }}", cents: "{{ field.cents | json }}", note: "{{ field.note | json }}", text: "is {{ field.cents }}", on: true}}`,
			update, "",
			pipeline.Request{Method: "POST", Path: "/v2/items/K%2F1/set", Header: map[string]string{"Content-Type": "application/vnd.x+json", "X-Change": "chg"},
				Body: `{"cents":250,"item":{"cents":250,"note":null,"ref":{"code":"B\""}},"note":null,"on":true,"text":"is 250"}`}},
		{"a precondition from a field", "          update: {path: \"/v2/items/{{ id }}\"}\n          precondition: {header: If-Unmodified, from: {field: updated_at}}",
			withAfter(update, pipeline.Values{"cents": ptr("1")}), raw,
			pipeline.Request{Method: "PATCH", Path: "/v2/items/7%2F..", Header: map[string]string{"Content-Type": "application/json", "If-Unmodified": "1700000000123"}, Body: `{"cents":1}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := streamOf(t, parts{write: common + c.write}.yaml("http://h"), Deps{})
			if c.raw != "" {
				c.w.Base = base(t, s, c.raw)
			}
			got, err := s.Prepare(c.w)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got  %+v (%v)\nwant %+v", got, err, c.want)
			}
		})
	}
}

func withAfter(w pipeline.Write, after pipeline.Values) pipeline.Write {
	w.After = after
	return w
}

func TestWhatOnlyAReadTellsIsAskedFor(t *testing.T) {
	fields := "\n          fields: {cents: cents}\n"
	for name, write := range map[string]string{
		"PUT without the record": `          update: {method: PUT, path: "/v2/items/{{ id }}"}`,
		"no ETag":                "          update: {path: \"/v2/items/{{ id }}\"}\n          precondition: {header: If-Match, from: {header: ETag}}",
		"no version":             "          update: {path: \"/v2/items/{{ id }}\"}\n          precondition: {header: If-Match, from: {field: updated_at}}",
	} {
		s, _ := streamOf(t, parts{write: fields + write}.yaml("http://h"), Deps{})
		_, err := s.Prepare(pipeline.Write{Op: pipeline.OpUpdate, ID: "1", After: pipeline.Values{"cents": ptr("1")}})
		if !errors.Is(err, pipeline.ErrNeedsRead) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAWriteThatCannotBeRenderedIsPermanent(t *testing.T) {
	s, _ := streamOf(t, parts{}.yaml("http://h"), Deps{})
	for name, w := range map[string]pipeline.Write{
		"unknown field": {Op: pipeline.OpUpdate, ID: "1", After: pipeline.Values{"colour": ptr("red")}},
		"wrong type":    {Op: pipeline.OpUpdate, ID: "1", After: pipeline.Values{"cents": ptr("many")}},
		"no ID":         {Op: pipeline.OpUpdate, After: pipeline.Values{"cents": ptr("1")}},
		"a dotted ID":   {Op: pipeline.OpDelete, ID: ".."},
	} {
		if req, err := s.Prepare(w); fault.KindOf(err) != fault.Permanent || errors.Is(err, pipeline.ErrNeedsRead) {
			t.Errorf("%s: %+v, %v", name, req, err)
		}
	}
}

func TestTheStrongestProtocolWins(t *testing.T) {
	search := `search: {path: /v2/items, query: {code: "{{ key.code }}"}, unique: %v}`
	ops := "\n          fields: {cents: cents}\n          create: {path: /v2/items}\n          update: {path: \"/v2/items/{{ id }}\"}"
	idem := "\n          idempotency: {header: Idempotency-Key, retention: 24h}"
	pre := "\n          precondition: {header: If-Match, from: {header: ETag}}"
	for _, c := range []struct {
		extract, write string
		create, update pipeline.Protocol
	}{
		{fmt.Sprintf(search, true), ops + idem + pre, pipeline.ByIdempotencyKey, pipeline.ByIdempotencyKey},
		{fmt.Sprintf(search, true), ops + pre, pipeline.ByUniqueKey, pipeline.ByPrecondition},
		{fmt.Sprintf(search, false), ops, pipeline.BySearchableKey, pipeline.ByNothing},
		{"", ops + pre, pipeline.ByNothing, pipeline.ByPrecondition},
	} {
		s, _ := streamOf(t, parts{extract: c.extract, write: c.write}.yaml("http://h"), Deps{})
		if got := s.Protocol(pipeline.OpCreate); got != c.create {
			t.Errorf("create: %s, want %s", got, c.create)
		}
		if got := s.Protocol(pipeline.OpUpdate); got != c.update {
			t.Errorf("update: %s, want %s", got, c.update)
		}
	}
}

func TestWhatAnAnswerMeansForTheChange(t *testing.T) {
	idem := "\n          idempotency: {header: Idempotency-Key, retention: 24h}"
	for _, c := range []struct {
		op     pipeline.WriteOp
		extra  string
		status int
		body   string
		want   pipeline.Outcome
	}{
		{pipeline.OpUpdate, "", 200, `{"data":{}}`, pipeline.Applied},
		{pipeline.OpUpdate, "", 202, ``, pipeline.InDoubt},
		{pipeline.OpUpdate, "", 204, ``, pipeline.Applied},
		{pipeline.OpUpdate, "", 404, ``, pipeline.Stale},
		{pipeline.OpDelete, "", 404, ``, pipeline.AlreadyTrue},
		{pipeline.OpDelete, "", 410, ``, pipeline.AlreadyTrue},
		{pipeline.OpCreate, "", 404, ``, pipeline.Rejected},
		{pipeline.OpUpdate, "", 412, ``, pipeline.Stale},
		{pipeline.OpUpdate, "", 400, `{"error":"bad"}`, pipeline.Rejected},
		{pipeline.OpUpdate, "", 401, ``, pipeline.Rejected},
		{pipeline.OpUpdate, "", 403, ``, pipeline.Rejected},
		{pipeline.OpCreate, "", 409, ``, pipeline.Rejected},
		{pipeline.OpUpdate, "", 423, ``, pipeline.Retryable},
		{pipeline.OpUpdate, "", 425, ``, pipeline.Retryable},
		{pipeline.OpUpdate, "", 429, ``, pipeline.Retryable},
		{pipeline.OpUpdate, "", 501, ``, pipeline.Rejected},
		{pipeline.OpCreate, "", 408, ``, pipeline.InDoubt},
		{pipeline.OpCreate, "", 500, ``, pipeline.InDoubt},
		{pipeline.OpCreate, "", 503, ``, pipeline.InDoubt},
		{pipeline.OpCreate, idem, 500, ``, pipeline.InDoubt}, // safe to repeat, but perhaps done
		{pipeline.OpCreate, idem, 409, `{"error":"idempotency key in use"}`, pipeline.InDoubt},
		{pipeline.OpCreate, idem, 422, `{"error":"Idempotency-Key used with other content"}`, pipeline.InDoubt},
		{pipeline.OpCreate, idem, 422, `{"error":"bad"}`, pipeline.Rejected},
	} {
		a := newAPI(t, "")
		a.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "9")
			w.WriteHeader(c.status)
			if c.body != "" {
				fmt.Fprint(w, c.body)
			}
			return true
		}
		s, _ := newStream(t, a, parts{write: strings.TrimRight(defaultWrite(), "\n") + c.extra})
		got, err := s.Send(t.Context(), pipeline.Request{Method: map[pipeline.WriteOp]string{pipeline.OpCreate: "POST", pipeline.OpUpdate: "PATCH", pipeline.OpDelete: "DELETE"}[c.op],
			Path: "/v2/items/1", Body: "{}"}, c.op, yes)
		if err != nil || got.Outcome != c.want || got.Status != c.status || got.Evidence == "" || got.RetryAfter.Seconds() != 9 || (got.Digest == "") != (c.body == "") {
			t.Errorf("%s %d %s: %+v, %v; want %s", c.op, c.status, c.body, got, err, c.want)
		}
		if n := len(a.requests()); n != 1 {
			t.Errorf("%s %d: %d requests", c.op, c.status, n)
		}
	}
}

func defaultWrite() string {
	return `
          fields: {cents: cents, note: note, ref.code: code}
          create: {path: /v2/items}
          update: {path: "/v2/items/{{ id }}"}
          delete: {path: "/v2/items/{{ id }}"}
          answer: {record: data, id: id}`
}

func TestADuplicateIsAlreadyTrueWhereItCanBeFound(t *testing.T) {
	a := newAPI(t, "")
	a.answer = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(409); return true }
	s, _ := newStream(t, a, parts{extract: `search: {path: /v2/items, query: {code: "{{ key.code }}"}, unique: true}`})
	got, err := s.Send(t.Context(), pipeline.Request{Method: "POST", Path: "/v2/items", Body: "{}"}, pipeline.OpCreate, yes)
	if err != nil || got.Outcome != pipeline.AlreadyTrue {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheAnsweredRecordIsDecodedAsAnyOther(t *testing.T) {
	a := newAPI(t, "")
	bodies := []string{`{"data":{"id":"77","ref":{"code":"A"},"cents":5,"updated_at":1,"more":true}}`, `{"id":"9","data":{"cents":"x"}}`, `[]`}
	a.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, bodies[len(a.log)-1])
		return true
	}
	s, _ := newStream(t, a, parts{})
	req := pipeline.Request{Method: "POST", Path: "/v2/items", Body: "{}"}
	got, err := s.Send(t.Context(), req, pipeline.OpCreate, yes)
	if err != nil || got.ID != "77" || got.Record == nil || cell(got.Record.Rows, pipeline.ColETag) != `"e"` || cell(got.Record.Rows, pipeline.ColExtra) != `{"more":true}` {
		t.Fatalf("%+v, %v", got, err)
	}
	got.Record.Rows.Release()
	for _, id := range []string{"9", ""} { // unreadable records change nothing of "done"
		got, err = s.Send(t.Context(), req, pipeline.OpCreate, yes)
		if err != nil || got.Outcome != pipeline.Applied || got.Record != nil || got.ID != id || !strings.Contains(got.Evidence, "record") {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
