package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/s3"
	"github.com/trueup-data/trueup/pipeline/store/storetest/servers"
)

// proxied is a real store behind a proxy that a test can make misbehave: before
// is asked for each request and answers it itself, or not; after sees answers
// and says whether to drop them.
func proxied(t *testing.T, server *servers.Server, prefix string, before func(http.ResponseWriter, *http.Request) bool,
	after func(*http.Request) bool, o s3.Options,
) *s3.Store {
	t.Helper()
	target, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if after != nil && after(r.Request) {
				return errors.New("drop")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) { drop(w, r) },
	}
	f := newRawFake(t, func(w http.ResponseWriter, r *http.Request) {
		if before == nil || !before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	})
	o.Keys = &s3.Keys{AccessKey: server.AccessKey, SecretKey: server.SecretKey}
	o.Retry = store.Policy{Tries: 5, Sleep: func(context.Context, time.Duration) error { return nil }}
	s, err := s3.Open(t.Context(), fmt.Sprintf("s3://%s/%s?path_style=true&endpoint=%s", server.Bucket, prefix, f), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A put whose answer is lost has landed or not; the same put again tells.
func lostAnswers(t *testing.T, server *servers.Server) {
	drops := int32(1)
	s := proxied(t, server, "lost", nil, func(r *http.Request) bool {
		return r.Method == http.MethodPut && atomic.AddInt32(&drops, -1) >= 0
	}, s3.Options{})
	_, err := s.PutIfAbsent(t.Context(), "log/1", []byte("mine"))
	if fault.KindOf(err) != fault.Unknown {
		t.Fatalf("the lost answer is of kind %s: %v", fault.KindOf(err), err)
	}
	if _, err := s.PutIfAbsent(t.Context(), "log/1", []byte("mine")); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("the same put again: %v", err)
	}
	data, info, err := s.Get(t.Context(), "log/1")
	if err != nil || string(data) != "mine" {
		t.Fatalf("reads %q, %v", data, err)
	}
	atomic.StoreInt32(&drops, 1)
	if _, err := s.Swap(t.Context(), "log/1", []byte("swapped"), info.ETag); fault.KindOf(err) != fault.Unknown {
		t.Errorf("the swap's lost answer: %v", err)
	}
	if data, _, err := s.Get(t.Context(), "log/1"); err != nil || string(data) != "swapped" {
		t.Errorf("reads %q, %v", data, err)
	}
}

// The requests of an upload are repeated one by one: every part fails at first,
// by an error or by a lost answer, and so does the end.
func uploadOverABadLine(t *testing.T, server *servers.Server) {
	seen := map[string]int{}
	requests := make(chan map[string]int, 1)
	requests <- seen
	times := func(r *http.Request) int {
		m := <-requests
		defer func() { requests <- m }()
		m[r.Method+r.URL.RawQuery]++
		return m[r.Method+r.URL.RawQuery]
	}
	s := proxied(t, server, "bad-line", func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && times(r) == 1 {
			_, _ = io.Copy(io.Discard, r.Body)
			xmlError(503, "SlowDown")(w, r)
			return true
		}
		return false
	}, func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.Contains(r.URL.RawQuery, "uploadId") && times(r) == 1
	}, s3.Options{Parallel: 2, PartBytes: 5 << 20})
	content := bytes.Repeat([]byte("0123456789abcde\n"), (11<<20)/16)
	info, err := s.Upload(t.Context(), "data/x", bytes.NewReader(content))
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	data, read, err := s.Get(t.Context(), "data/x")
	if err != nil || !bytes.Equal(data, content) || read != info {
		t.Errorf("%d of %d bytes, %+v, %+v, %v", len(data), len(content), read, info, err)
	}
	_, err = s.Upload(t.Context(), "data/small", strings.NewReader("small"))
	if err != nil {
		t.Errorf("a single upload: %v", err)
	}
}

// An upload holds no more than Parallel parts in memory.
func uploadMemory(t *testing.T, server *servers.Server) {
	const part, parallel, size = 5 << 20, 2, 26 << 20
	var sent, most atomic.Int64
	s := proxied(t, server, "memory", nil, func(r *http.Request) bool {
		if r.Method == http.MethodPut {
			sent.Add(r.ContentLength)
		}
		return false
	}, s3.Options{Parallel: parallel, PartBytes: part})
	read := int64(0)
	source := readerFunc(func(p []byte) (int, error) {
		if read == size {
			return 0, io.EOF
		}
		n := min(int64(len(p)), size-read)
		read += n
		most.Store(max(most.Load(), read-sent.Load()))
		return int(n), nil
	})
	info, err := s.Upload(t.Context(), "x", source)
	if err != nil || info.SizeBytes != size {
		t.Fatalf("%+v, %v", info, err)
	}
	if most.Load() > parallel*part {
		t.Errorf("%d bytes were read and not sent", most.Load())
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A multipart upload that fails leaves no parts that cost space.
func uploadAbortsItsParts(t *testing.T, server *servers.Server) {
	var aborted, completed atomic.Int32
	s := proxied(t, server, "abort", func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "2" {
			_, _ = io.Copy(io.Discard, r.Body)
			xmlError(403, "AccessDenied")(w, r)
			return true
		}
		return false
	}, func(r *http.Request) bool {
		if r.Method == http.MethodDelete {
			aborted.Add(1)
		}
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			completed.Add(1)
		}
		return false
	}, s3.Options{PartBytes: 5 << 20})
	_, err := s.Upload(t.Context(), "x", bytes.NewReader(make([]byte, 12<<20)))
	if fault.KindOf(err) != fault.Permanent || fault.HelpOf(err) == "" {
		t.Errorf("got %v", err)
	}
	// An abort may be refused while the server still handles a part whose sender
	// has given up; then it is sent again.
	if aborted.Load() == 0 || completed.Load() != 0 {
		t.Errorf("%d aborts, %d completions", aborted.Load(), completed.Load())
	}
	left, err := server.Client().ListMultipartUploads(t.Context(), &api.ListMultipartUploadsInput{
		Bucket: &server.Bucket, Prefix: aws.String("abort/x"),
	})
	switch {
	case err != nil:
		t.Fatal(err)
	case len(left.Uploads) > 0:
		t.Errorf("the server still holds parts of %d uploads", len(left.Uploads))
	}
	if _, _, err := s.Get(t.Context(), "x"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("it is visible: %v", err)
	}
}
