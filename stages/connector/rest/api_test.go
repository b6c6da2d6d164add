package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/stages/connector/connectortest"
)

// api is a REST API in this process: it lists, reads and writes items, and fails
// when it is told to. It is the System of the conformance suite.
type api struct {
	*httptest.Server
	mu       sync.Mutex
	style    string // of pagination: cursor, page, offset, link, next_url, "" for none
	size     int
	ordered  bool // listings are sorted by updated_at, not by ID
	totals   bool
	records  map[string]connectortest.Record
	versions map[string]int
	next     int
	clock    time.Time
	fail     []connectortest.Failure
	effects  int
	answered map[string]string // by idempotency key
	log      []seen
	onList   func(n int) // after the n-th list page was served
	lists    int
	answer   func(w http.ResponseWriter, r *http.Request) bool // takes a request over
}

// seen is a request as it arrived.
type seen struct {
	method, path, query, body string
	header                    http.Header
}

func newAPI(t testing.TB, style string) *api {
	a := &api{style: style, size: 4, records: map[string]connectortest.Record{}, versions: map[string]int{},
		answered: map[string]string{}, clock: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.Start()
	t.Cleanup(a.Close)
	return a
}

func (a *api) Insert(code string, note *string, cents int64) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.insert(connectortest.Record{Code: code, Note: note, Cents: cents})
}

func (a *api) insert(r connectortest.Record) string {
	a.next++
	r.ID = fmt.Sprintf("r%05d", a.next)
	a.touch(r)
	return r.ID
}

func (a *api) touch(r connectortest.Record) {
	a.clock = a.clock.Add(time.Millisecond)
	r.UpdatedAt = a.clock
	a.records[r.ID] = r
	a.versions[r.ID]++
}

func (a *api) Update(id string, change func(*connectortest.Record)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.records[id]
	change(&r)
	a.touch(r)
}

func (a *api) Delete(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.records, id)
}

func (a *api) Records() map[string]connectortest.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]connectortest.Record{}
	for id, r := range a.records {
		out[id] = r
	}
	return out
}

func (a *api) FailNext(f connectortest.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = append(a.fail, f)
}

func (a *api) Effects() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.effects
}

func (a *api) requests() []seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]seen(nil), a.log...)
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, max(0, r.ContentLength))
	_, _ = r.Body.Read(body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, seen{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header.Clone()})
	if a.answer != nil && a.answer(w, r) {
		return
	}
	var failure connectortest.Failure
	if len(a.fail) > 0 {
		failure, a.fail = a.fail[0], a.fail[1:]
	}
	switch failure {
	case connectortest.Unavailable:
		http.Error(w, "try later", http.StatusServiceUnavailable)
		return
	case connectortest.Throttled:
		w.Header().Set("Retry-After", "7")
		http.Error(w, "slow down", http.StatusTooManyRequests)
		return
	case connectortest.Garbage:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>Sign in to the hotel's wireless</html>")
		return
	}
	status, answer, header := a.handle(r, body)
	if failure == connectortest.AnswerLost {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	for name, v := range header {
		w.Header().Set(name, v)
	}
	if failure == connectortest.Truncated {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)+10))
	}
	w.WriteHeader(status)
	fmt.Fprint(w, answer)
}

func (a *api) handle(r *http.Request, body []byte) (status int, answer string, header map[string]string) {
	id, one := strings.CutPrefix(r.URL.Path, "/api/v2/items/")
	switch {
	case r.Method == http.MethodGet && one:
		rec, ok := a.records[id]
		if !ok {
			return 404, `{"error":"no such item"}`, nil
		}
		return 200, `{"data":` + a.wire(rec) + `}`, map[string]string{"ETag": a.etag(id)}
	case r.Method == http.MethodGet:
		return a.list(r)
	}
	key := r.Header.Get("Idempotency-Key")
	if old, ok := a.answered[key]; ok && key != "" {
		return 200, old, nil
	}
	status, answer, header = a.write(r, id, body)
	if status < 300 {
		a.effects++
		a.answered[key] = answer
	}
	return status, answer, header
}

func (a *api) write(r *http.Request, id string, body []byte) (int, string, map[string]string) {
	rec, ok := a.records[id]
	if r.Method != http.MethodPost {
		if !ok {
			return 404, `{"error":"no such item"}`, nil
		}
		if m := r.Header.Get("If-Match"); m != "" && m != a.etag(id) {
			return 412, `{"error":"changed meanwhile"}`, nil
		}
	}
	if r.Method == http.MethodDelete {
		delete(a.records, id)
		return 204, "", nil
	}
	var in struct {
		Ref   struct{ Code *string }
		Note  json.RawMessage
		Cents *int64
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return 400, `{"error":"bad body"}`, nil
	}
	if in.Ref.Code != nil {
		rec.Code = *in.Ref.Code
	}
	if in.Cents != nil {
		rec.Cents = *in.Cents
	}
	if in.Note != nil {
		rec.Note = nil
		_ = json.Unmarshal(in.Note, &rec.Note)
	}
	if r.Method == http.MethodPost {
		id = a.insert(rec)
	} else {
		a.touch(rec)
	}
	return 200, `{"data":` + a.wire(a.records[id]) + `}`, map[string]string{"ETag": a.etag(id)}
}

func (a *api) etag(id string) string { return fmt.Sprintf(`"%s-%d"`, id, a.versions[id]) }

func (a *api) wire(r connectortest.Record) string {
	note, _ := json.Marshal(r.Note)
	return fmt.Sprintf(`{"id":%q,"ref":{"code":%q,"kind":"x"},"note":%s,"cents":%d,"updated_at":%d,"etag":%q,"tags":["a"]}`,
		r.ID, r.Code, note, r.Cents, r.UpdatedAt.UnixMilli(), a.etag(r.ID))
}

// list serves a page; the position is always an offset, whatever it is called.
func (a *api) list(r *http.Request) (int, string, map[string]string) {
	q := r.URL.Query()
	since, _ := strconv.ParseInt(q.Get("updated_since"), 10, 64)
	var all []connectortest.Record
	for _, rec := range a.records {
		if rec.UpdatedAt.UnixMilli() >= since && (q.Get("code") == "" || rec.Code == q.Get("code")) {
			all = append(all, rec)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if a.ordered {
			return all[i].UpdatedAt.Before(all[j].UpdatedAt)
		}
		return all[i].ID < all[j].ID
	})
	size := a.size
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		size = n
	}
	from := a.from(q, size)
	page := all[min(from, len(all)):min(from+size, len(all))]
	items := make([]string, len(page))
	for i, rec := range page {
		items[i] = a.wire(rec)
	}
	a.lists++
	if a.onList != nil {
		defer a.onList(a.lists)
	}
	return a.envelope(r, q, items, from+size, len(all))
}

func (a *api) from(q url.Values, size int) int {
	switch a.style {
	case "page":
		n, _ := strconv.Atoi(q.Get("page"))
		return max(0, n-1) * size
	case "offset":
		n, _ := strconv.Atoi(q.Get("offset"))
		return n
	case "cursor", "link", "next_url":
		n, _ := strconv.Atoi(strings.TrimPrefix(q.Get("cursor"), "tok"))
		return n
	}
	return 0
}

func (a *api) envelope(r *http.Request, q url.Values, items []string, next, total int) (int, string, map[string]string) {
	q.Set("cursor", fmt.Sprintf("tok%d", next))
	target := r.URL.Path + "?" + q.Encode()
	meta, header := `{}`, map[string]string{}
	switch {
	case a.style == "" || a.style == "offset" || a.style == "page":
		if a.totals {
			meta = fmt.Sprintf(`{"total":%d}`, total)
		}
	case next >= total:
		meta = `{"next":null,"more":false}`
	case a.style == "cursor":
		meta = fmt.Sprintf(`{"next":"tok%d","more":true}`, next)
	case a.style == "next_url":
		meta = fmt.Sprintf(`{"next":%q,"more":true}`, a.URL+target)
	case a.style == "link":
		header["Link"] = fmt.Sprintf(`<%s>; rel="first", <%s>; rel="next"`, r.URL.Path, target)
	}
	return 200, fmt.Sprintf(`{"meta":%s,"data":[%s]}`, meta, strings.Join(items, ",")), header
}
