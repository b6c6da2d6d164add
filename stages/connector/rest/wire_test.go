package rest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/trueup-data/trueup/pipeline"
	"github.com/trueup-data/trueup/pipeline/fault"
)

// rawServer speaks HTTP by hand, so that it can do to connections what servers
// do: close them while they are idle, or after they read a request. It counts
// the requests whose first line arrived.
type rawServer struct {
	net.Listener
	mu       sync.Mutex
	requests []string
	conns    int
}

// newRawServer serves: each request of a connection is answered by the script's
// next entry: "ok", "drop" (read, then close), "close" (answer, then close while idle).
func newRawServer(t *testing.T, script ...string) *rawServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{Listener: l}
	t.Cleanup(func() { l.Close() })
	next := make(chan string, len(script))
	for _, x := range script {
		next <- x
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			go s.serve(c, next)
		}
	}()
	return s
}

func (s *rawServer) serve(c net.Conn, next chan string) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		s.mu.Lock()
		s.requests = append(s.requests, req.Method+" "+req.URL.Path)
		s.mu.Unlock()
		step := "ok"
		select {
		case step = <-next:
		default:
		}
		if step == "drop" {
			return
		}
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		if step == "close" {
			return
		}
	}
}

func (s *rawServer) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func writeTo(t *testing.T, url, extra string) *Stream {
	s, _ := streamOf(t, strings.Replace(parts{}.yaml(url), "answer: {record: data, id: id}", extra, 1), Deps{})
	return s
}

func yes() error { return nil }

// Go's HTTP client repeats requests that it takes for repeatable when a kept
// connection dies under them: those with an idempotency key, and those without a
// body. None of ours may arrive twice.
func TestNoWriteIsSentAgainByTheLibrary(t *testing.T) {
	writes := map[string]struct {
		req pipeline.Request
		op  pipeline.WriteOp
	}{
		"POST with an idempotency key": {pipeline.Request{Method: "POST", Path: "/v2/items", Body: `{"a":1}`, Header: map[string]string{"Idempotency-Key": "k"}}, pipeline.OpCreate},
		"POST with the other name":     {pipeline.Request{Method: "POST", Path: "/v2/items", Body: `{"a":1}`, Header: map[string]string{"X-Idempotency-Key": "k"}}, pipeline.OpCreate},
		"PATCH":                        {pipeline.Request{Method: "PATCH", Path: "/v2/items/1", Body: `{"a":1}`}, pipeline.OpUpdate},
		"DELETE without a body":        {pipeline.Request{Method: "DELETE", Path: "/v2/items/1", Header: map[string]string{"Idempotency-Key": "k"}}, pipeline.OpDelete},
		"POST without a body":          {pipeline.Request{Method: "POST", Path: "/v2/items/1/close", Header: map[string]string{"Idempotency-Key": "k"}}, pipeline.OpUpdate},
	}
	for name, w := range writes {
		t.Run(name, func(t *testing.T) {
			server := newRawServer(t, "ok", "drop", "ok")
			s := writeTo(t, "http://"+server.Addr().String(), "")
			if a, err := s.Send(t.Context(), w.req, w.op, yes); err != nil || a.Outcome != pipeline.Applied {
				t.Fatalf("first: %+v, %v", a, err)
			}
			asked := 0
			_, err := s.Send(t.Context(), w.req, w.op, func() error { asked++; return nil })
			if fault.KindOf(err) != fault.Unknown || asked != 1 {
				t.Errorf("error %v (%s), the fence was asked %d times; want Unknown, once", err, fault.KindOf(err), asked)
			}
			if got := server.seen(); len(got) != 2 {
				t.Errorf("%d requests on the wire for 2 sends: %v", len(got), got)
			}
		})
	}
}

func TestAConnectionThatTheServerClosedWhileIdleCostsAtMostADoubt(t *testing.T) {
	server := newRawServer(t, "close", "close", "close", "close", "close", "close")
	s := writeTo(t, "http://"+server.Addr().String(), "")
	sends, answered := 6, 0
	for range sends {
		a, err := s.Send(t.Context(), pipeline.Request{Method: "DELETE", Path: "/v2/items/1"}, pipeline.OpDelete, yes)
		switch {
		case err == nil && a.Outcome == pipeline.Applied:
			answered++
		case fault.KindOf(err) != fault.Unknown && fault.KindOf(err) != fault.Transient:
			t.Errorf("error %v (%s)", err, fault.KindOf(err))
		}
	}
	if got := len(server.seen()); got > sends || got < answered {
		t.Errorf("%d requests on the wire for %d sends, %d answered", got, sends, answered)
	}
}

func TestWithoutAConnectionNothingWasSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := writeTo(t, "http://"+l.Addr().String(), "")
	_, err = s.Send(t.Context(), pipeline.Request{Method: "DELETE", Path: "/v2/items/1"}, pipeline.OpDelete, func() error {
		t.Error("the fence is asked without a connection")
		return nil
	})
	if fault.KindOf(err) != fault.Transient || !strings.Contains(fault.NoteOf(err), "nothing was sent") {
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Send(ctx, pipeline.Request{Method: "DELETE", Path: "/x"}, pipeline.OpDelete, yes); fault.KindOf(err) != fault.Transient || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v (%s)", err, fault.KindOf(err))
	}
}

// The lease is checked with the connection standing and nothing sent, on new and
// on kept connections, and a fenced request leaves no byte behind.
func TestTheFenceStandsBetweenTheConnectionAndTheFirstByte(t *testing.T) {
	server := newRawServer(t)
	s := writeTo(t, "http://"+server.Addr().String(), "")
	req := pipeline.Request{Method: "PATCH", Path: "/v2/items/1", Body: strings.Repeat("x", 10_000)}
	lost := errors.New("lease lost")
	for i, fence := range []error{lost, nil, lost, nil} {
		before := len(server.seen())
		_, err := s.Send(t.Context(), req, pipeline.OpUpdate, func() error {
			if len(server.seen()) != before {
				t.Error("bytes were sent before the fence was asked")
			}
			return fence
		})
		if !errors.Is(err, fence) || (fence == nil) != (err == nil) {
			t.Errorf("send %d: %v", i, err)
		}
	}
	if got := server.seen(); len(got) != 2 {
		t.Errorf("%d requests arrived, want the 2 that passed the fence", len(got))
	}
}

func TestTheFenceHoldsOverTLSAndWritesAreHTTP1(t *testing.T) {
	var protocols []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto)
		w.WriteHeader(204)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	conf := &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}
	s, _ := streamOf(t, parts{}.yaml(server.URL), Deps{TLS: conf})
	req := pipeline.Request{Method: "DELETE", Path: "/v2/items/1"}
	if a, err := s.Send(t.Context(), req, pipeline.OpDelete, yes); err != nil || a.Outcome != pipeline.Applied {
		t.Fatalf("%+v, %v", a, err)
	}
	lost := errors.New("lease lost")
	if _, err := s.Send(t.Context(), req, pipeline.OpDelete, func() error { return lost }); !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
	if len(protocols) != 1 || protocols[0] != "HTTP/1.1" {
		t.Errorf("requests arrived by %v", protocols)
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		a := newAPI(t, "cursor")
		a.answer = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			return true
		}
		s, _ := newStream(t, a, parts{})
		got, err := s.Send(t.Context(), pipeline.Request{Method: "POST", Path: "/v2/items", Body: "{}"}, pipeline.OpCreate, yes)
		want := pipeline.Rejected
		if status == http.StatusSeeOther {
			want = pipeline.InDoubt // it may have been done, and the result be elsewhere
		}
		if err != nil || got.Outcome != want {
			t.Errorf("%d: %q, %v", status, got.Outcome, err)
		}
		if n := len(a.requests()); n != 1 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
}

// A server that takes the request and never answers: the deadline ends it, and
// nobody knows.
func TestEveryRequestCarriesADeadline(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(func() { close(stop); server.Close() })
	s, _ := streamOf(t, strings.Replace(parts{}.yaml(server.URL), "timeout: 5s", "timeout: 50ms", 1), Deps{})
	_, err := s.Send(t.Context(), pipeline.Request{Method: "POST", Path: "/v2/items", Body: "{}"}, pipeline.OpCreate, yes)
	if fault.KindOf(err) != fault.Unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	}
	s.policy.MaxTries = 2
	if _, _, _, err := readAll(t, s, pipeline.ReadRequest{}); fault.KindOf(err) != fault.Transient {
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	}
}

func TestAConnectionIsOfNoUseWithoutARequest(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	c := &fencedConn{Conn: client}
	if _, err := c.Write([]byte("x")); !errors.Is(err, errUnarmed) {
		t.Errorf("%v", err)
	}
	x := &crossing{fence: yes}
	c.arm(x)
	if err := x.enter(c); err != nil {
		t.Fatal(err)
	}
	other := &fencedConn{Conn: client}
	other.arm(x)
	if _, err := other.Write([]byte("x")); !errors.Is(err, errResend) {
		t.Errorf("the same write on a second connection: %v", err)
	}
}
