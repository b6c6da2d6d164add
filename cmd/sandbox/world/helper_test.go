package world_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trueup-data/trueup/cmd/sandbox/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a served world with a plain HTTP client.
type rig struct {
	*world.World
	t       testing.TB
	servers *world.Servers
	client  *http.Client
}

func open(t testing.TB, o world.Options) *rig {
	t.Helper()
	w, err := world.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, w)
}

func serve(t testing.TB, w *world.World) *rig {
	t.Helper()
	s, err := w.Serve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{World: w, t: t, servers: s, client: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// result is an answer, or why there was none.
type result struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (r result) json(t testing.TB) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		t.Fatalf("status %d: %v: %s", r.status, err, r.body)
	}
	return out
}

func (r *rig) do(system, method, path, body string, headers ...string) result {
	r.t.Helper()
	name, value, query := credential(system)
	if query != "" {
		if strings.Contains(path, "?") {
			query = "&" + query
		} else {
			query = "?" + query
		}
		return r.send(method, r.servers.URL[system]+path+query, body, headers...)
	}
	return r.send(method, r.servers.URL[system]+path, body, append([]string{name, value}, headers...)...)
}

func (r *rig) send(method, url, body string, headers ...string) result {
	r.t.Helper()
	var in io.Reader
	if body != "" {
		in = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, in)
	if err != nil {
		r.t.Fatal(err)
	}
	req.GetBody = nil // the client would send again what it can read twice
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return result{status: resp.StatusCode, header: resp.Header, body: raw, err: err}
}

// rows reads a member of an answer that is a list of objects.
func rows(t testing.TB, doc map[string]any, name string) []map[string]any {
	t.Helper()
	list, ok := doc[name].([]any)
	if !ok {
		t.Fatalf("no list %q in %v", name, doc)
	}
	out := make([]map[string]any, 0, len(list))
	for _, one := range list {
		out = append(out, one.(map[string]any))
	}
	return out
}

// booking is a plausible booking with some fields set.
func booking(code string, more ...string) world.Values {
	v := world.Values{"code": world.Text(code), "channel": world.Text("staybnb"), "listing_id": world.Text("L-001"),
		"check_in": world.Text("2026-05-01"), "check_out": world.Text("2026-05-04"), "guest_name": world.Text("Ana"),
		"price": world.Text("120.50"), "status": world.Text("confirmed"), "notes": nil}
	for i := 0; i < len(more); i += 2 {
		v[more[i]] = world.Text(more[i+1])
	}
	return v
}

func (r *rig) create(system string, v world.Values) string {
	r.t.Helper()
	e, err := r.Create(system, v)
	if err != nil {
		r.t.Fatal(err)
	}
	return e.ID
}

func (r *rig) edit(system, id, field, value string) {
	r.t.Helper()
	r.Advance(time.Minute)
	if _, err := r.Edit(system, id, world.Values{field: world.Text(value)}); err != nil {
		r.t.Fatal(err)
	}
}

// pair makes one booking that both systems hold and agree on.
func (r *rig) pair(code string) (pms, staybnb string) {
	r.t.Helper()
	return r.create(world.PMS, booking(code)), r.create(world.Staybnb, booking(code))
}

func compact(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
