package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/s3"
)

// fake is an HTTP server that answers as a test says, and keeps what was asked.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newFake(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r)
		f.mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// newRawFake gives the address of a server that leaves bodies to answer.
func newRawFake(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

const secret, token = "SECRET-KEY-SECRET", "SESSION-TOKEN-SECRET"

func (f *fake) open(t *testing.T, o s3.Options) *s3.Store {
	t.Helper()
	if o.Keys == nil {
		o.Keys = &s3.Keys{AccessKey: "AKID", SecretKey: secret, SessionToken: token}
	}
	s, err := s3.Open(t.Context(), "s3://bucket/p?path_style=true&endpoint="+f.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noSecret fails when an error shows what it must not.
func noSecret(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, text := range []string{fault.Describe(err), fmt.Sprintf("%+v", err)} {
		if strings.Contains(text, secret) || strings.Contains(text, token) || strings.Contains(text, "Signature=") {
			t.Errorf("the error shows a secret: %s", text)
		}
	}
}

func xmlError(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<Error><Code>%s</Code><Message>because</Message></Error>`, code)
	}
}

// drop reads the request and closes the connection without an answer.
func drop(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.Close()
	}
}

func TestWhatTheStoresAnswersMean(t *testing.T) {
	for _, c := range []struct {
		status    int
		code      string
		put, read fault.Kind
		putIs     error
	}{
		{412, "PreconditionFailed", fault.LostRace, fault.Permanent, store.ErrPrecondition},
		{409, "ConditionalRequestConflict", fault.Transient, fault.Permanent, store.ErrConflict},
		{409, "OperationAborted", fault.Transient, fault.Permanent, store.ErrConflict},
		{404, "NoSuchKey", fault.Permanent, fault.Permanent, store.ErrNotExist},
		{404, "NoSuchBucket", fault.Permanent, fault.Permanent, nil},
		{403, "AccessDenied", fault.Permanent, fault.Permanent, nil},
		{400, "RequestTimeout", fault.Unknown, fault.Transient, nil},
		{400, "BadDigest", fault.Permanent, fault.Permanent, nil},
		{408, "", fault.Unknown, fault.Transient, nil},
		{416, "InvalidRange", fault.Permanent, fault.Permanent, nil},
		{429, "SlowDown", fault.Transient, fault.Transient, nil},
		{500, "InternalError", fault.Unknown, fault.Transient, nil},
		{501, "NotImplemented", fault.Permanent, fault.Permanent, nil},
		{503, "SlowDown", fault.Unknown, fault.Transient, nil},
		{301, "PermanentRedirect", fault.Permanent, fault.Permanent, nil},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.code), func(t *testing.T) {
			f := newFake(t, xmlError(c.status, c.code))
			s := f.open(t, s3.Options{})
			_, putErr := s.PutIfAbsent(t.Context(), "k", []byte("x"))
			_, swapErr := s.Swap(t.Context(), "k", []byte("x"), `"etag"`)
			for _, err := range []error{putErr, swapErr} {
				noSecret(t, err)
				if fault.KindOf(err) != c.put || (c.putIs != nil && !errors.Is(err, c.putIs)) {
					t.Errorf("put is of kind %s: %v", fault.KindOf(err), err)
				}
				if c.putIs == nil && (errors.Is(err, store.ErrPrecondition) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotExist)) {
					t.Errorf("put is taken for an answer: %v", err)
				}
			}
			_, _, getErr := s.Get(t.Context(), "k")
			noSecret(t, getErr)
			if fault.KindOf(getErr) != c.read {
				t.Errorf("get is of kind %s: %v", fault.KindOf(getErr), getErr)
			}
			if f.count() != 3 {
				t.Errorf("%d requests for 3 calls", f.count())
			}
		})
	}
}

// The SDK's silent retry would meet its own object and call a won race lost.
func TestNoSDKRetryOfConditionalPuts(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "9")
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	for name, answer := range map[string]http.HandlerFunc{"500": xmlError(500, "InternalError"), "503": xmlError(503, "SlowDown"),
		"429": xmlError(429, "TooManyRequests"), "409": xmlError(409, "ConditionalRequestConflict"), "reset": drop} {
		f := newFake(t, answer)
		s := f.open(t, s3.Options{})
		if _, err := s.PutIfAbsent(t.Context(), "k", []byte("x")); err == nil || f.count() != 1 {
			t.Errorf("%s: put makes %d requests: %v", name, f.count(), err)
		}
		if _, err := s.Swap(t.Context(), "k", []byte("x"), `"e"`); err == nil || f.count() != 2 {
			t.Errorf("%s: swap makes %d requests: %v", name, f.count()-1, err)
		}
	}
}

// Other stores refuse the checksums and chunked bodies that newer SDKs send.
func TestConditionalPutsArePlain(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"new"`) })
	s := f.open(t, s3.Options{})
	if info, err := s.PutIfAbsent(t.Context(), "k", []byte("abc")); err != nil || info.ETag != `"new"` {
		t.Fatalf("%+v, %v", info, err)
	}
	if _, err := s.Swap(t.Context(), "k", []byte("abc"), `"old"`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Upload(t.Context(), "u", strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	conditions := [][2]string{{"If-None-Match", "*"}, {"If-Match", `"old"`}, {"", ""}}
	for i, r := range f.requests {
		if name := conditions[i][0]; name != "" && r.Header.Get(name) != conditions[i][1] {
			t.Errorf("request %d: %s is %q", i, name, r.Header.Get(name))
		}
		if r.Method != http.MethodPut || r.ContentLength != 3 || !strings.HasPrefix(r.URL.Path, "/bucket/p/") {
			t.Errorf("request %d: %s %s with %d bytes", i, r.Method, r.URL.Path, r.ContentLength)
		}
		for name := range r.Header {
			if lower := strings.ToLower(name); strings.Contains(lower, "checksum") || strings.Contains(lower, "trailer") || lower == "content-encoding" {
				t.Errorf("request %d sends %s: %s", i, name, r.Header.Get(name))
			}
		}
	}
}

// Nobody won and nothing landed: 409 is not "the name is taken".
func TestA409IsTheSamePutAgain(t *testing.T) {
	answers := []http.HandlerFunc{xmlError(409, "ConditionalRequestConflict"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"e"`)
	}}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		next := answers[0]
		answers = answers[1:]
		next(w, r)
	})
	s := f.open(t, s3.Options{})
	_, err := s.PutIfAbsent(t.Context(), "k", []byte("x"))
	if !errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrPrecondition) || fault.KindOf(err) != fault.Transient {
		t.Fatalf("the first answer: %v", err)
	}
	if info, err := s.PutIfAbsent(t.Context(), "k", []byte("x")); err != nil || info.ETag != `"e"` {
		t.Errorf("the same put again: %+v, %v", info, err)
	}
}

// MinIO ignores the condition of a delete, so none is sent that could be taken
// for a promise.
func TestNeverRelyOnConditionalDelete(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err := f.open(t, s3.Options{}).Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if r := f.requests[0]; r.Method != http.MethodDelete || r.Header.Get("If-Match") != "" || r.URL.RawQuery == "delete=" {
		t.Errorf("sent %s %s %v", r.Method, r.URL, r.Header)
	}
}

// No answer is not "not done": time-outs, resets and an ended context after the
// request went out are unknown for a write, and harmless for a read.
func TestNoAnswerIsUnknown(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	silent := func(http.ResponseWriter, *http.Request) { <-release }
	for name, answer := range map[string]http.HandlerFunc{"reset": drop, "silence": silent} {
		f := newFake(t, answer)
		s := f.open(t, s3.Options{Timeout: 30 * time.Millisecond})
		_, putErr := s.PutIfAbsent(t.Context(), "k", nil)
		deleteErr := s.Delete(t.Context(), "k")
		_, _, getErr := s.Get(t.Context(), "k")
		listErr := s.List(t.Context(), "", "", func(store.Info) error { return nil })
		for op, got := range map[string]error{"put": putErr, "delete": deleteErr} {
			noSecret(t, got)
			if fault.KindOf(got) != fault.Unknown || fault.NoteOf(got) == "" {
				t.Errorf("%s, %s: kind %s: %v", name, op, fault.KindOf(got), got)
			}
		}
		for op, got := range map[string]error{"get": getErr, "list": listErr} {
			noSecret(t, got)
			if fault.KindOf(got) != fault.Transient {
				t.Errorf("%s, %s: kind %s: %v", name, op, fault.KindOf(got), got)
			}
		}
	}
}

func TestACancelInFlightIsUnknownForAWrite(t *testing.T) {
	arrived := make(chan struct{})
	f := newFake(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	s := f.open(t, s3.Options{})
	for op, want := range map[string]fault.Kind{"put": fault.Unknown, "get": fault.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		var err error
		if op == "put" {
			_, err = s.PutIfAbsent(ctx, "k", nil)
		} else {
			_, _, err = s.Get(ctx, "k")
		}
		if fault.KindOf(err) != want || !errors.Is(err, context.Canceled) {
			t.Errorf("%s is of kind %s: %v", op, fault.KindOf(err), err)
		}
	}
}

// What never had a connection did not happen.
func TestARefusedConnectionIsNotUnknown(t *testing.T) {
	f := newFake(t, drop)
	s := f.open(t, s3.Options{})
	f.Close()
	_, err := s.PutIfAbsent(t.Context(), "k", nil)
	noSecret(t, err)
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("put is of kind %s: %v", fault.KindOf(err), err)
	}
}

func TestMissingCredentialsSayWhatToDo(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	f := newFake(t, drop)
	s, err := s3.Open(t.Context(), "s3://bucket?path_style=true&endpoint="+f.URL, s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.PutIfAbsent(t.Context(), "k", nil)
	if fault.KindOf(err) != fault.Permanent || !strings.Contains(fault.HelpOf(err), "AWS_ACCESS_KEY_ID") || f.count() != 0 {
		t.Errorf("%d requests, kind %s: %v", f.count(), fault.KindOf(err), err)
	}
	if _, err := s3.Open(t.Context(), "s3://bucket?profile=nobody", s3.Options{}); err == nil {
		t.Error("a profile that does not exist is opened")
	}
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := s3.Open(t.Context(), "s3://bucket", s3.Options{}); !strings.Contains(fault.HelpOf(err), "region") {
		t.Errorf("Amazon's own store without a region: %v", err)
	}
}

func TestCredentialsComeFromTheEnvironmentOrTheProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	text := "[named]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = " + secret + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_ACCESS_KEY_ID", "FROMENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	for query, want := range map[string]string{"": "FROMENV", "&profile=named": "FROMPROFILE"} {
		f := newFake(t, xmlError(404, "NoSuchKey"))
		s, err := s3.Open(t.Context(), "s3://bucket?path_style=true&endpoint="+f.URL+query, s3.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.Get(t.Context(), "k")
		noSecret(t, err)
		if got := f.requests[0].Header.Get("Authorization"); !strings.Contains(got, "Credential="+want+"/") {
			t.Errorf("%q signs as %s", query, got)
		}
	}
}
