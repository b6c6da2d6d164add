package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func TestEachPageIsFollowedByARequestOrAReason(t *testing.T) {
	cursor := &cursorSettings{Next: "meta.next", Param: "c"}
	flag := func(p *paginateSettings) *paginateSettings { p.HasMore = "more"; return p }
	link := http.Header{"Link": {`</a?x=1,2>; title="a,b"; rel="prev", </b?y=2>; rel="last next"`}}
	cases := []struct {
		name     string
		settings *paginateSettings
		at       ask
		page     answered
		want     string // "next ...", "done ...", "unproven ...", "error ..."
	}{
		{"token", &paginateSettings{Cursor: cursor}, ask{Seen: 3}, answered{body: []byte(`{"meta":{"next":"b c"}}`), fresh: 2}, "next {Token:b c N:0 Over:0 Back:false Pos:0 Seen:5}"},
		{"token that is a number", &paginateSettings{Cursor: cursor}, ask{}, answered{body: []byte(`{"meta":{"next":17}}`)}, "next {Token:17"},
		{"an empty page with a token goes on", &paginateSettings{Cursor: cursor}, ask{}, answered{body: []byte(`{"data":[],"meta":{"next":"z"}}`)}, "next {Token:z"},
		{"null token", &paginateSettings{Cursor: cursor}, ask{}, answered{body: []byte(`{"meta":{"next":null}}`)}, "done no next token"},
		{"no token", &paginateSettings{Cursor: cursor}, ask{}, answered{body: []byte(`{}`)}, "done no next token"},
		{"token in a header", &paginateSettings{Cursor: &cursorSettings{Header: "X-Next", Param: "c"}}, ask{}, answered{header: http.Header{"X-Next": {"h"}}}, "next {Token:h"},
		{"flag says no more", flag(&paginateSettings{Cursor: cursor}), ask{}, answered{body: []byte(`{"more":false,"meta":{"next":"z"}}`)}, "done more is false"},
		{"flag and token disagree", flag(&paginateSettings{Cursor: cursor}), ask{}, answered{body: []byte(`{"more":true}`)}, "unproven more says that there is more, and no next token"},
		{"flag is missing", flag(&paginateSettings{Cursor: cursor}), ask{}, answered{body: []byte(`{}`)}, "error the answer has no flag at more"},
		{"page", &paginateSettings{Page: &pageSettings{Param: "p"}}, ask{N: 4}, answered{rows: 1, fresh: 1}, "next {Token: N:5"},
		{"a short page is no end", &paginateSettings{Page: &pageSettings{Param: "p"}, PageSize: &pageSizeSettings{Param: "l", Value: 10}}, ask{N: 4}, answered{rows: 1}, "next {Token: N:5"},
		{"empty page", &paginateSettings{Page: &pageSettings{Param: "p"}}, ask{N: 4}, answered{}, "done page 4 is empty"},
		{"page, total reached", &paginateSettings{Page: &pageSettings{Param: "p", Total: "n"}}, ask{N: 2, Pos: 4, Seen: 4}, answered{body: []byte(`{"n":6}`), rows: 2, fresh: 2}, "done total 6 reached"},
		{"page, total missed", &paginateSettings{Page: &pageSettings{Param: "p", Total: "n"}}, ask{N: 2, Pos: 4, Seen: 4}, answered{body: []byte(`{"n":6}`)}, "unproven the list says that it has 6 records, and showed 4"},
		{"page, total exceeded and unchecked", &paginateSettings{Page: &pageSettings{Param: "p", Total: "n", Stable: true}}, ask{N: 2, Pos: 4, Seen: 4}, answered{body: []byte(`{"n":5}`), rows: 2, fresh: 2}, "unproven the list says that it has 5 records, and showed 6"},
		{"total is missing", &paginateSettings{Page: &pageSettings{Param: "p", Total: "n"}}, ask{}, answered{body: []byte(`{}`), rows: 1}, "error the answer has no number at n"},
		{"offset", &paginateSettings{Offset: &offsetSettings{Param: "o"}}, ask{N: 10, Seen: 10}, answered{rows: 20, fresh: 18}, "next {Token: N:25 Over:5 Back:false Pos:0 Seen:28}"},
		{"offset, nothing new", &paginateSettings{Offset: &offsetSettings{Param: "o"}}, ask{N: 10, Over: 3}, answered{rows: 3}, "done nothing after record 13"},
		{"offset, nothing new further up is no end", &paginateSettings{Offset: &offsetSettings{Param: "o"}}, ask{N: 10, Over: 3, Back: true}, answered{rows: 3}, "next {Token: N:12"},
		{"link", &paginateSettings{Link: true}, ask{}, answered{header: link}, "next {Token:https://api/b?y=2"},
		{"no link", &paginateSettings{Link: true}, ask{}, answered{}, "done no next link"},
		{"next URL", &paginateSettings{NextURL: "next"}, ask{}, answered{body: []byte(`{"next":"?page=2"}`)}, "next {Token:https://api/list?page=2"},
		{"next URL elsewhere", &paginateSettings{NextURL: "next"}, ask{}, answered{body: []byte(`{"next":"https://evil/list?page=2"}`)}, "error the next page is at another origin, https://evil"},
		{"not paginated", nil, ask{}, answered{}, "done one answer, not paginated"},
		{"not paginated, but linked", nil, ask{}, answered{header: link}, "unproven the answer links to a next page"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPaginator(c.settings)
			if err != nil {
				t.Fatal(err)
			}
			c.page.url, _ = url.Parse("https://api/list?x=1")
			for range 2 { // pure: the same again
				if got := outline(p.next(c.at, c.page)); !strings.HasPrefix(got, c.want) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}

func outline(s step, err error) string {
	switch {
	case err != nil:
		return "error " + err.Error()
	case s.next != nil:
		return fmt.Sprintf("next %+v", *s.next)
	case s.unproven:
		return "unproven " + s.done
	}
	return "done " + s.done
}

func TestAListingHasOneStyle(t *testing.T) {
	for _, s := range []*paginateSettings{{}, {Link: true, NextURL: "next"}, {Cursor: &cursorSettings{Param: "c"}},
		{Cursor: &cursorSettings{Param: "c", Next: "a", Header: "b"}}} {
		if _, err := newPaginator(s); err == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
}

// serveBodies answers listings with these bodies, the last one for ever.
func serveBodies(a *api, bodies ...string) {
	n := 0
	a.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, bodies[min(n, len(bodies)-1)])
		n++
		return true
	}
}

const one = `{"id":"1","ref":{"code":"a"},"note":null,"cents":1,"updated_at":1}`

func TestARepeatedTokenIsAnErrorWithBothRequests(t *testing.T) {
	a := newAPI(t, "cursor")
	serveBodies(a, `{"data":[`+one+`],"meta":{"next":"A"}}`, `{"data":[],"meta":{"next":"B"}}`, `{"data":[],"meta":{"next":"A"}}`)
	s, _ := newStream(t, a, parts{})
	_, _, end, err := readAll(t, s, pipeline.ReadRequest{})
	if err == nil || end.Proven || !strings.Contains(err.Error(), "cursor=A") || !strings.Contains(err.Error(), "cursor=B") {
		t.Errorf("end %+v, error %v", end, err)
	}
	if n := len(a.requests()); n != 3 {
		t.Errorf("%d requests, want 3: circles are not walked twice", n)
	}
}

func TestTheSamePageTwiceIsAnErrorWithBothRequests(t *testing.T) {
	for name, p := range movingStyles() {
		a := newAPI(t, "")
		page := `{"data":[` + one + `,` + strings.ReplaceAll(one, `"1"`, `"2"`) + `],"meta":{"total":9}}`
		serveBodies(a, page) // it ignores the parameter
		s, _ := newStream(t, a, p)
		_, _, end, err := readAll(t, s, pipeline.ReadRequest{})
		if err == nil || end.Proven || strings.Count(err.Error(), "/api/v2/items?") < 2 {
			t.Errorf("%s: end %+v, error %v", name, end, err)
		}
	}
}

func TestACountEqualToAKnownWindowIsAFailedProof(t *testing.T) {
	for n, proven := range map[int]bool{11: true, 12: false, 13: false} {
		a := newAPI(t, "cursor")
		s, _ := newStream(t, a, parts{paginate: "{cursor: {next: meta.next, param: cursor}, max_window: 12}"})
		fill(a, n)
		ids, batches, end, err := readAll(t, s, pipeline.ReadRequest{})
		if err != nil || end.Proven != proven || len(ids) != min(n, 12) {
			t.Errorf("%d records: %d came, %+v, %v", n, len(ids), end, err)
		}
		if last := batches[len(batches)-1].Checkpoint; !proven && last != nil {
			t.Errorf("%d records: the cursor moves over an unproven end: %+v", n, last)
		}
	}
}

func TestTotalsThatDisagreeAreNoProof(t *testing.T) {
	a := newAPI(t, "")
	serveBodies(a, `{"data":[`+one+`],"meta":{"total":2}}`, `{"data":[],"meta":{"total":2}}`)
	s, _ := newStream(t, a, parts{paginate: "{page: {param: page, total: meta.total, stable: true}}"})
	if _, _, end, err := readAll(t, s, pipeline.ReadRequest{}); err != nil || end.Proven || !strings.Contains(end.Reason, "2 records, and showed 1") {
		t.Errorf("end %+v, error %v", end, err)
	}
}

func TestAnIgnored403IsAFailureNotAnEmptyPartition(t *testing.T) {
	for _, status := range []int{400, 403, 404, 410, 422, 301} {
		a := newAPI(t, "cursor")
		a.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, `{"error":"not for you"}`, status)
			return true
		}
		s, _ := newStream(t, a, parts{})
		_, batches, end, err := readAll(t, s, pipeline.ReadRequest{Partition: pipeline.Partition{Name: "L7"}})
		if fault.KindOf(err) != fault.Permanent || end.Proven || len(batches) != 0 || !strings.Contains(err.Error(), "L7") {
			t.Errorf("%d: end %+v, %d batches, error %v", status, end, len(batches), err)
		}
		if n := len(a.requests()); n != 1 {
			t.Errorf("%d: %d requests for what will not change", status, n)
		}
	}
}

func TestWhatIsNoPageIsAnErrorWithRetriesNeverAnEmptyPage(t *testing.T) {
	cases := map[string]func(w http.ResponseWriter){
		"HTML in a 200": func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); fmt.Fprint(w, "<html>") },
		"HTML called JSON": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "<html>")
		},
		"empty body": func(w http.ResponseWriter) { w.WriteHeader(200) },
		"no content": func(w http.ResponseWriter) { w.WriteHeader(204) },
		"partial content": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(206)
			fmt.Fprint(w, `{"data":[]}`)
		},
		"truncated JSON": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[`)
		},
		"two documents": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[]}{}`)
		},
		"no list": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"error":"busy"}`)
		},
		"null list": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":null}`)
		},
		"a list of no objects": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[1]}`)
		},
		"500":   func(w http.ResponseWriter) { w.WriteHeader(500) },
		"503":   func(w http.ResponseWriter) { w.Header().Set("Retry-After", "3"); w.WriteHeader(503) },
		"429":   func(w http.ResponseWriter) { w.WriteHeader(429) },
		"reset": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	}
	for name, serve := range cases {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, "cursor")
			a.answer = func(w http.ResponseWriter, _ *http.Request) bool { serve(w); return true }
			s, clock := newStream(t, a, parts{})
			_, batches, end, err := readAll(t, s, pipeline.ReadRequest{})
			if fault.KindOf(err) != fault.Transient || end.Proven || len(batches) != 0 {
				t.Errorf("end %+v, %d batches, error %v", end, len(batches), err)
			}
			if n := len(a.requests()); n != 6 || len(clock.waits) != 5 {
				t.Errorf("%d requests and %d waits, want 6 and 5", n, len(clock.waits))
			}
		})
	}
}

func TestAListingByPOSTIsNotRepeatedAfterADoubt(t *testing.T) {
	a := newAPI(t, "cursor")
	a.answer = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(502); return true }
	yaml := strings.Replace(parts{}.yaml(a.URL), `request: {path: /v2/items, query: {updated_since: "{{ cursor | epoch_ms }}"}}`,
		`request: {method: POST, path: /v2/items/search, body: {since: "{{ cursor | epoch_ms }}", at: "{{ run_at | %F }}", deep: [{n: 1, f: true, s: "x {{ cursor }} y"}]}}`, 1)
	s, _ := streamOf(t, yaml, Deps{})
	_, _, _, err := readAll(t, s, pipeline.ReadRequest{Since: pipeline.Cursor{Order: 5_000_999, Set: true}})
	if log := a.requests(); fault.KindOf(err) != fault.Transient || len(log) != 1 {
		t.Errorf("%d requests, error %v", len(log), err)
	} else if want := `{"at":"0001-01-01","deep":[{"f":true,"n":1,"s":"x 5000 y"}],"since":"5000"}`; log[0].body != want {
		t.Errorf("body %s\nwant %s", log[0].body, want)
	}
}
