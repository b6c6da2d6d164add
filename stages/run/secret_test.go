package run_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/tables"
	"github.com/trueup-data/trueup/stages/run"
)

// canaries are credentials that nothing else can look like, with the characters
// that JSON, URLs and base64 write in another way.
func canaries() []string { return []string{"cAnAry+pms/\"5f1c9e\"&x", "cAnAry+staybnb/<77ab3d>&y"} }

// seen is output that is searched for canaries, in every form in which a program
// might write them.
func leaks(text string) string {
	for _, secret := range canaries() {
		quoted, _ := json.Marshal(secret)
		// Half of a secret is one too.
		forms := []string{secret, secret[:14], url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`),
			strings.ReplaceAll(secret, `"`, `\"`), base64.StdEncoding.EncodeToString([]byte(secret))[:16]}
		for _, form := range forms {
			if at := strings.Index(text, form); at >= 0 {
				return text[max(0, at-200):min(len(text), at+100)]
			}
		}
	}
	return ""
}

// echo is a system that shows the caller's credentials in answers that it makes up.
type echo struct {
	mu  sync.Mutex
	now madeUp
	n   int
}

// madeUp is an answer. Its body has the credentials where it says %s.
type madeUp struct {
	status int // 0: nothing is made up
	kind   string
	body   string
	writes bool // only answers to writes
}

func (e *echo) set(now madeUp) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now = now
}

func (e *echo) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.n
}

func (e *echo) front(_ string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		now := e.now
		if now.writes && r.Method == http.MethodGet {
			now.status = 0
		}
		if now.status != 0 {
			e.n++
		}
		e.mu.Unlock()
		if now.status == 0 {
			next.ServeHTTP(rw, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		secret := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Header.Get("X-Api-Key")
		rw.Header().Set("Content-Type", strings.ReplaceAll(now.kind, "%s", url.QueryEscape(secret)))
		rw.Header().Set("Location", "/elsewhere?token="+url.QueryEscape(secret))
		rw.Header().Set("ETag", `"`+secret+`"`)
		rw.WriteHeader(now.status)
		if now.kind == "application/json" {
			quoted, _ := json.Marshal(secret)
			secret = strings.Trim(string(quoted), `"`)
		}
		_, _ = io.WriteString(rw, strings.ReplaceAll(now.body, "%s", secret))
	})
}

// No secret appears in a log of level debug, in the store, in what a run says of
// itself, or in an error, also when a system shows our credentials in its answers.
func TestNoSecretAnywhere(t *testing.T) {
	var log bytes.Buffer
	system := &echo{}
	h := newHouse(t, setup{log: &log, front: system.front,
		world: world.Options{Credentials: map[string]string{world.PMS: canaries()[0], world.Staybnb: canaries()[1]}}})
	said := &said{}
	step := func(mode pipeline.Mode) {
		t.Helper()
		said.add(h.say(mode))
	}
	theOffice(h)
	step(pipeline.Sweep)
	must(t, h.life(func(p *process) error { return p.approve("decision-1") }))
	step(pipeline.Incremental)
	if n := len(h.Effects()); n != 4 {
		t.Fatalf("the credentials do not work: %d effects", n)
	}
	const object, text, html = "application/json", "text/plain", "text/html"
	for i, answer := range []madeUp{
		{401, object, `{"error": "you sent %s"}`, false}, {500, object, `{"error": "you sent %s"}`, false},
		{500, text, strings.Repeat("x", 190) + " %s", false}, {200, html, "<p>%s</p>", false}, {200, "text/%s", "%s", false}, {302, text, "%s", false},
		{200, object, `you sent %s`, false}, {200, object, `{"bookings": "%s", "data": ["%s"]}`, false}, {200, object, `{"error": "you sent %s"}`, false},
		{401, object, `{"error": "you sent %s"}`, true}, {422, object, `{"error": {"token": "%s"}}`, true}, {500, text, "%s", true},
		{200, object, `{"token": "%s"}`, true}, {409, object, `{"error": "idempotency key of %s"}`, true}, {429, text, "%s", true},
	} {
		before := system.count()
		h.edit(world.PMS, "A1", "price", fmt.Sprintf("%d.00", 500+i))
		h.edit(world.PMS, fmt.Sprintf("A%d", 2+i%5), "notes", fmt.Sprintf("note %d", i))
		system.set(answer)
		step(pipeline.Incremental)
		system.set(madeUp{})
		if system.count() == before {
			t.Errorf("no request met %+v", answer)
		}
	}
	step(pipeline.Sweep)
	if log.Len() == 0 || !strings.Contains(log.String(), "[redacted]") {
		t.Error("the log shows no place where a secret was, so this test sees nothing")
	}
	for name, text := range map[string]string{"the log": log.String(), "what runs say": said.String(), "a table": h.everything(), "a file": h.files()} {
		if leak := leaks(text); leak != "" {
			t.Errorf("%s has a secret: ...%s...", name, leak)
		}
	}
}

type said struct{ strings.Builder }

func (s *said) add(text string) { s.WriteString(text + "\n") }

// say does a run and gives all that it says: result, events, errors with their help.
func (h *house) say(mode pipeline.Mode) string {
	h.t.Helper()
	var mu sync.Mutex
	var b strings.Builder
	err := h.life(func(p *process) error {
		p.job.Notice = func(e run.Event) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&b, "%+v\n", e)
		}
		result, err := p.run(mode)
		summary, _ := json.Marshal(run.Summarise(result))
		fmt.Fprintf(&b, "%+v\n%s\n", result, summary)
		for _, x := range result.Extracted {
			fmt.Fprintf(&b, "%+v %v %s %s\n", x.Partitions, x.Err, fault.HelpOf(x.Err), fault.NoteOf(x.Err))
		}
		for _, l := range append(result.Loaded, result.Settled...) {
			fmt.Fprintf(&b, "%v %s %s\n", l.Err, fault.HelpOf(l.Err), fault.NoteOf(l.Err))
		}
		return err
	})
	must(h.t, err)
	return b.String()
}

// everything is every row of every table, old ones included, as text: files are
// compressed, so that a search in their bytes would find nothing.
func (h *house) everything() string {
	h.t.Helper()
	var b strings.Builder
	rows := 0
	must(h.t, h.life(func(p *process) error {
		session, err := p.session()
		must(h.t, err)
		defer session.Close()
		for _, table := range run.Tables(p.project) {
			must(h.t, session.Rows(h.t.Context(), table, "every"))
			lines, err := session.Query(h.t.Context(), "SELECT every::VARCHAR FROM every")
			must(h.t, err)
			for lines.Next() {
				var line string
				must(h.t, lines.Scan(&line))
				rows++
				b.WriteString(table.Name + " " + line + "\n")
			}
			must(h.t, lines.Err())
			must(h.t, lines.Close())
		}
		return nil
	}))
	if rows < 100 || !strings.Contains(b.String(), tables.Journal().Name) || !strings.Contains(b.String(), "[redacted]") {
		h.t.Errorf("%d rows were searched, and none shows where a secret was", rows)
	}
	return b.String()
}

// files are all objects of the store by their bytes, with their names, and all
// files of the working folders but the project's own.
func (h *house) files() string {
	h.t.Helper()
	var b strings.Builder
	must(h.t, h.store.List(h.t.Context(), "", "", func(i store.Info) error {
		data, _, err := h.store.Get(h.t.Context(), i.Key)
		b.WriteString(i.Key + "\n" + string(data))
		return err
	}))
	must(h.t, filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		b.WriteString(path + "\n" + string(data))
		return err
	}))
	return b.String()
}
