package rest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

func TestCredentialsAreAddedInEveryWay(t *testing.T) {
	for auth, want := range map[string]func(r seen) bool{
		`auth: {bearer: "tok"}`:                         func(r seen) bool { return r.header.Get("Authorization") == "Bearer tok" },
		`auth: {basic: {user: u, password: "p:w"}}`:     func(r seen) bool { return r.header.Get("Authorization") == "Basic dTpwOnc=" },
		`auth: {api_key: {header: X-Key, value: "k"}}`:  func(r seen) bool { return r.header.Get("X-Key") == "k" },
		`auth: {api_key: {query: api_key, value: "k"}}`: func(r seen) bool { return strings.Contains(r.query, "api_key=k") },
		`headers: {X-Version: "2025-01"}`:               func(r seen) bool { return r.header.Get("X-Version") == "2025-01" },
	} {
		a := newAPI(t, "cursor")
		s, _ := newStream(t, a, parts{auth: auth})
		id := fill(a, 6)[0]
		if _, _, _, err := readAll(t, s, pipeline.ReadRequest{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Send(t.Context(), pipeline.Request{Method: "DELETE", Path: "/v2/items/" + id}, pipeline.OpDelete, yes); err != nil {
			t.Fatal(err)
		}
		for _, r := range a.requests() {
			if !want(r) {
				t.Errorf("%s: %s %s?%s came without it: %v", auth, r.method, r.path, r.query, r.header)
			}
		}
		if n := len(a.requests()); n != 3 {
			t.Errorf("%s: %d requests", auth, n)
		}
	}
}

// tokens is a token endpoint. Tokens it gave before the number in valid are refused.
type tokens struct {
	*httptest.Server
	given, valid atomic.Int64
	expires      int
	fail         atomic.Int64 // answers 500 so many times
}

func newTokens(t *testing.T, expires int) *tokens {
	s := &tokens{expires: expires}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.fail.Add(-1) >= 0 {
			http.Error(w, "down", 500)
			return
		}
		user, password, _ := r.BasicAuth()
		if user != "me" || password != "canary%2Fsecret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "a b" {
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"error":"invalid_client","echo":%q}`, password)
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":%d}`, s.given.Add(1), s.expires)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokens) auth(secret string) string {
	return fmt.Sprintf("auth: {oauth2: {token_url: %q, client_id: me, client_secret: %q, scopes: [a, b]}}", s.URL, secret)
}

// guarded makes an API demand tokens that are valid.
func (s *tokens) guarded(a *api) {
	a.answer = func(w http.ResponseWriter, r *http.Request) bool {
		var n int64
		_, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer token-%d", &n)
		if err == nil && n > s.valid.Load() {
			return false
		}
		w.WriteHeader(401)
		return true
	}
}

func TestATokenIsRefreshedBeforeExpiryOnceForAll(t *testing.T) {
	issuer, a := newTokens(t, 100), newAPI(t, "cursor")
	issuer.guarded(a)
	s, clock := newStream(t, a, parts{auth: issuer.auth("canary/secret")})
	ids := fill(a, 20)
	read := func() {
		t.Helper()
		if got, err := s.Fetch(t.Context(), ids); err != nil || len(got.Failed) > 0 {
			t.Fatal(err, got.Failed)
		} else {
			got.Batch.Rows.Release()
		}
	}
	read()
	_ = clock.wait(t.Context(), 80*time.Second)
	read()
	if n := issuer.given.Load(); n != 1 {
		t.Errorf("%d tokens for 40 requests at once, want 1", n)
	}
	_ = clock.wait(t.Context(), 11*time.Second) // 91 of 100 seconds: not expired yet
	read()
	if n := issuer.given.Load(); n != 2 {
		t.Errorf("%d tokens, want the second one before the first has expired", n)
	}
}

func TestA401IsRetriedOnceWithANewToken(t *testing.T) {
	issuer, a := newTokens(t, 3600), newAPI(t, "cursor")
	issuer.guarded(a)
	s, _ := newStream(t, a, parts{auth: issuer.auth("canary/secret")})
	fill(a, 3)
	for range 2 { // revoked early, twice: each time a new one
		issuer.valid.Store(issuer.given.Load())
		if ids, _, _, err := readAll(t, s, pipeline.ReadRequest{}); err != nil || len(ids) != 3 {
			t.Fatalf("%d records, %v", len(ids), err)
		}
	}
	if n := issuer.given.Load(); n != 2 {
		t.Errorf("%d tokens", n)
	}
	issuer.valid.Store(1 << 40) // whatever it gives is refused
	before := issuer.given.Load()
	_, _, _, err := readAll(t, s, pipeline.ReadRequest{})
	if fault.KindOf(err) != fault.Permanent || issuer.given.Load() != before+1 {
		t.Errorf("%d more tokens, error %v", issuer.given.Load()-before, err)
	}
}

func TestARefusedWriteIsRetryableOnceWithANewToken(t *testing.T) {
	issuer, a := newTokens(t, 3600), newAPI(t, "cursor")
	issuer.guarded(a)
	s, _ := newStream(t, a, parts{auth: issuer.auth("canary/secret")})
	id := fill(a, 1)[0]
	req := pipeline.Request{Method: "DELETE", Path: "/v2/items/" + id}
	issuer.valid.Store(1)
	for _, want := range []pipeline.Outcome{pipeline.Retryable, pipeline.Applied} {
		if got, err := s.Send(t.Context(), req, pipeline.OpDelete, yes); err != nil || got.Outcome != want {
			t.Fatalf("%q, %v; want %q", got.Outcome, err, want)
		}
	}
	issuer.valid.Store(1 << 40)
	for _, want := range []pipeline.Outcome{pipeline.Retryable, pipeline.Rejected} {
		if got, err := s.Send(t.Context(), req, pipeline.OpDelete, yes); err != nil || got.Outcome != want {
			t.Fatalf("%q, %v; want %q", got.Outcome, err, want)
		}
	}
}

func TestATokenEndpointThatFailsSendsNothing(t *testing.T) {
	issuer, a := newTokens(t, 3600), newAPI(t, "cursor")
	s, _ := newStream(t, a, parts{auth: issuer.auth("canary/secret")})
	fill(a, 1)
	issuer.fail.Store(2)
	if ids, _, _, err := readAll(t, s, pipeline.ReadRequest{}); err != nil || len(ids) != 1 {
		t.Fatalf("a short outage: %d records, %v", len(ids), err)
	}
	wrong, _ := newStream(t, a, parts{auth: issuer.auth("wrong")})
	before := len(a.requests())
	_, err := wrong.Send(t.Context(), pipeline.Request{Method: "DELETE", Path: "/v2/items/1"}, pipeline.OpDelete, yes)
	if fault.KindOf(err) != fault.Permanent || len(a.requests()) != before {
		t.Errorf("%v (%s), %d requests", err, fault.KindOf(err), len(a.requests())-before)
	}
}
