package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// Every error of a read and of a write says what to do, and where.
func TestErrorsSayWhatToDo(t *testing.T) {
	page := func(status int, kind, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		says   string
	}{
		"who are you":       {page(401, "application/json", "{}"), "check auth of systems."},
		"not for you":       {page(403, "application/json", "{}"), "may read and write"},
		"no such path":      {page(404, "application/json", "{}"), "paths and methods"},
		"too fast":          {page(429, "application/json", "{}"), "requests_per_second"},
		"broken":            {page(503, "application/json", "{}"), "when "},
		"a redirect":        {page(302, "text/html", ""), "set base_url"},
		"a web page":        {page(200, "text/html", "<html>"), "proxy or a web page"},
		"a refused request": {page(422, "application/json", "{}"), "documentation of the API"},
		"the same page again": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"meta":{"next":"same","more":true},"data":[{"id":"1","code":"a","cents":1,"updated_at":1735689600000}]}`))
			return true
		}, "extract.paginate"},
	} {
		a := newAPI(t, "cursor")
		s, _ := newStream(t, a, parts{})
		fill(a, 3)
		a.answer = c.answer
		_, _, _, err := readAll(t, s, pipeline.ReadRequest{Run: "R", Mode: pipeline.Sweep})
		if err == nil || !strings.Contains(fault.HelpOf(err), c.says) {
			t.Errorf("%s: help %q of %v", name, fault.HelpOf(err), err)
		}
	}
}
