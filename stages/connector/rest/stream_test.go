package rest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/pace"
	"github.com/trueup-data/trueup/stages/connector/connectortest"
)

// fakeTime is a clock whose waits are over at once: they move it instead.
type fakeTime struct {
	mu     sync.Mutex
	offset time.Duration
	waits  []time.Duration
}

func (f *fakeTime) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Now().Add(f.offset)
}

func (f *fakeTime) wait(ctx context.Context, d time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d > 0 {
		f.offset += d
		f.waits = append(f.waits, d)
	}
	return ctx.Err()
}

// parts are the pieces of a project file that tests vary.
type parts struct {
	auth, system, extract, paginate, write, incremental string
}

const pageSize = "page_size: {param: limit, value: 4}"

func (p parts) yaml(url string) string {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&p.paginate, "{cursor: {next: meta.next, param: cursor}, "+pageSize+"}")
	def(&p.incremental, "{cursor_field: updated_at, lookback_window: 0s}")
	def(&p.write, `
          fields: {cents: cents, note: note, ref.code: code}
          create: {path: /v2/items}
          update: {path: "/v2/items/{{ id }}"}
          delete: {path: "/v2/items/{{ id }}"}
          answer: {record: data, id: id}`)
	return `version: 1
name: test
systems:
  shop:
    rest:
      base_url: ` + url + `/api
` + indent(6, p.auth) + indent(6, p.system) + `    limits: {requests_per_second: 100000, burst: 1000, concurrency: 8, timeout: 5s}
entities:
  items:
    key: [code]
    fields: {code: string, note: string, cents: int64}
    streams:
      shop:
        extract:
          request: {path: /v2/items, query: {updated_since: "{{ cursor | epoch_ms }}"}}
          records: data
          primary_key: [id]
          fields:
            id: string
            code: {type: string, path: ref.code}
            note: string
            cents: int64
            updated_at: {type: timestamp, format: epoch_ms}
          paginate: ` + p.paginate + `
          incremental: ` + p.incremental + `
          read: {path: "/v2/items/{{ id }}", record: data}
` + indent(10, p.extract) + `        write:` + p.write + `
    resolve: {default: {authority: shop}}
`
}

func indent(n int, s string) string {
	if s == "" {
		return ""
	}
	return strings.Repeat(" ", n) + strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n)) + "\n"
}

func loadProject(t testing.TB, yaml string) (*config.Project, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trueup.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, func(string) (string, bool) { return "", false }, config.Known{"rest": Keys()})
}

// newStream makes a stream of the API from a project file.
func newStream(t testing.TB, a *api, p parts) (*Stream, *fakeTime) {
	t.Helper()
	return streamOf(t, p.yaml(a.URL), Deps{})
}

func streamOf(t testing.TB, yaml string, deps Deps) (*Stream, *fakeTime) {
	t.Helper()
	project, err := loadProject(t, yaml)
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	clock := &fakeTime{}
	deps.Now, deps.Wait = clock.now, clock.wait
	if deps.Gate == nil {
		deps.Gate = pace.New(pace.Options{System: "shop", RequestsPerSecond: 1e6, Burst: 1000, Concurrency: 8,
			Clock: pace.Clock{Now: clock.now, Wait: clock.wait}, Log: deps.Log})
	}
	s, err := New(project.Systems[0], project.Entities[0], project.Entities[0].Streams[0], deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s, clock
}

var allFailures = []connectortest.Failure{connectortest.Unavailable, connectortest.AnswerLost, connectortest.Truncated,
	connectortest.Garbage, connectortest.Throttled}

func TestConformance(t *testing.T) {
	precondition := `
          fields: {cents: cents, note: note, ref.code: code}
          update: {path: "/v2/items/{{ id }}"}
          precondition: {header: If-Match, from: {header: ETag}}
          answer: {record: data, id: id}`
	idempotent := `
          fields: {cents: cents, note: note, ref.code: code}
          create: {path: /v2/items}
          update: {path: "/v2/items/{{ id }}", method: PUT}
          delete: {path: "/v2/items/{{ id }}"}
          idempotency: {header: Idempotency-Key, retention: 24h}
          answer: {record: data, id: id}`
	cases := map[string]struct {
		style string
		parts parts
		setup func(*api)
		fix   connectortest.Fixture
	}{
		"cursor":             {style: "cursor", fix: connectortest.Fixture{Creates: true, Deletes: true}},
		"cursor, has_more":   {style: "cursor", parts: parts{paginate: "{cursor: {next: meta.next, param: cursor}, has_more: meta.more}"}, fix: connectortest.Fixture{Creates: true, Deletes: true}},
		"cursor, ordered":    {style: "cursor", parts: parts{extract: "ordered: true", write: precondition}, setup: func(a *api) { a.ordered = true }, fix: connectortest.Fixture{Precondition: true}},
		"page":               {style: "page", parts: parts{paginate: "{page: {param: page}, " + pageSize + "}", write: precondition}, fix: connectortest.Fixture{Precondition: true}},
		"page, total":        {style: "page", parts: parts{paginate: "{page: {param: page, total: meta.total, stable: true}}", write: precondition}, setup: func(a *api) { a.totals = true }, fix: connectortest.Fixture{Precondition: true}},
		"offset":             {style: "offset", parts: parts{paginate: "{offset: {param: offset}, " + pageSize + "}", write: idempotent}, fix: connectortest.Fixture{WholeRecords: true, Creates: true, Deletes: true}},
		"offset, total":      {style: "offset", parts: parts{paginate: "{offset: {param: offset, total: meta.total, overlap: 1}}", write: idempotent}, setup: func(a *api) { a.totals = true }, fix: connectortest.Fixture{WholeRecords: true, Creates: true, Deletes: true}},
		"link":               {style: "link", parts: parts{paginate: "{link: true}", write: precondition}, fix: connectortest.Fixture{Precondition: true}},
		"next_url":           {style: "next_url", parts: parts{paginate: "{next_url: meta.next}", write: precondition}, fix: connectortest.Fixture{Precondition: true}},
		"one answer for all": {style: "", parts: parts{paginate: "{max_window: 1000, offset: {param: offset}}", write: precondition}, setup: func(a *api) { a.style, a.size = "offset", 100 }, fix: connectortest.Fixture{Precondition: true}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
				a := newAPI(t, c.style)
				if c.setup != nil {
					c.setup(a)
				}
				s, _ := newStream(t, a, c.parts)
				f := c.fix
				f.System, f.Source, f.Target, f.Failures = a, s, s, allFailures
				return f
			})
		})
	}
}

// readAll reads a partition to its end.
func readAll(t testing.TB, s *Stream, req pipeline.ReadRequest) (ids []string, batches []pipeline.Batch, end pipeline.End, err error) {
	t.Helper()
	if req.Mode == "" {
		req.Mode = pipeline.Sweep
	}
	end, err = s.Read(context.Background(), req, func(b pipeline.Batch) error {
		if b.Rows != nil {
			ids = append(ids, column0(b.Rows)...)
			b.Rows.Release()
			b.Rows = nil
		}
		batches = append(batches, b)
		return nil
	})
	return ids, batches, end, err
}

func column0(rows arrow.RecordBatch) []string {
	c := column(rows, pipeline.ColID).(*array.String)
	out := make([]string, c.Len())
	for i := range out {
		out[i] = c.Value(i)
	}
	return out
}

func distinct(ids []string) int {
	m := map[string]bool{}
	for _, id := range ids {
		m[id] = true
	}
	return len(m)
}

func fill(a *api, n int) (ids []string) {
	for i := range n {
		ids = append(ids, a.Insert("C"+time.Duration(i).String(), nil, int64(i)))
	}
	return ids
}

func quickGate() *pace.Gate {
	return pace.New(pace.Options{System: "shop", RequestsPerSecond: 1e6, Burst: 1000})
}
