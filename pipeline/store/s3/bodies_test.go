package s3_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/s3"
)

func TestATornBodyIsAnErrorNotAnEnd(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes 1-100/200")
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(make([]byte, 40))
		w.(http.Flusher).Flush()
		drop(w, r)
	})
	s := f.open(t, s3.Options{})
	_, _, err := s.Get(t.Context(), "k")
	if fault.KindOf(err) != fault.Transient || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("get: %v", err)
	}
}

func TestABodyThatStallsIsAnError(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(make([]byte, 40))
		w.(http.Flusher).Flush()
		<-release
	})
	_, _, err := f.open(t, s3.Options{Timeout: 50 * time.Millisecond}).Get(t.Context(), "k")
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "silent") {
		t.Errorf("get: %v", err)
	}
}

// Only a store that is waited for can be silent: a receiver may pause for longer
// than the time-out. That so much time is over is seen by a request that ended
// for silence meanwhile.
func TestAReceiverMayTakeItsTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "silent") {
			<-release
			return
		}
		_, _ = w.Write(make([]byte, 100))
	})
	s := f.open(t, s3.Options{Timeout: 100 * time.Millisecond})
	body, err := s.Open(t.Context(), "k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := s.Get(t.Context(), "silent"); fault.KindOf(err) != fault.Transient {
			t.Fatal(err)
		}
	}
	if rest, err := io.ReadAll(body); err != nil || len(rest) != 90 {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
}

func TestWrongBodiesAreRefused(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"ranges are ignored": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10)) },
		"the range is cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 5))
		},
		"the length is unknown": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-14/100")
			w.WriteHeader(http.StatusPartialContent)
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 10))
		},
	} {
		body, err := newFake(t, answer).open(t, s3.Options{}).Open(t.Context(), "k", 5, 10)
		if err == nil {
			body.Close()
		}
		if err == nil || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListingsThatCannotBeTrustedAreErrors(t *testing.T) {
	object := func(key string) string { return "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>" }
	page := func(truncated bool, token string, objects ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%t</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>",
				truncated, token, strings.Join(objects, ""))
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		keys   string
		kind   fault.Kind
	}{
		"not in order":        {page(false, "", object("p/b"), object("p/a")), "b", fault.Permanent},
		"twice":               {page(false, "", object("p/b"), object("p/b")), "b", fault.Permanent},
		"more, without where": {page(true, "", object("p/a")), "a", fault.Permanent},
		"the same token":      {page(true, "t"), "", fault.Permanent},
		"foreign names":       {page(false, "", object("p/"), object("p/.x"), object("p/a"), object("p/dir/")), "a", fault.Permanent},
		"not XML":             {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<Listing") }, "", fault.Transient},
	} {
		var keys []string
		err := newFake(t, c.answer).open(t, s3.Options{}).List(t.Context(), "", "", func(i store.Info) error {
			keys = append(keys, i.Key)
			return nil
		})
		wantErr := name != "foreign names"
		if strings.Join(keys, " ") != c.keys || (err != nil) != wantErr || (wantErr && fault.KindOf(err) != c.kind) {
			t.Errorf("%s: %v, kind %s: %v", name, keys, fault.KindOf(err), err)
		}
	}
}
