package open_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/open"
	"github.com/trueup-data/trueup/pipeline/store/s3"
	"github.com/trueup-data/trueup/pipeline/store/storetest"
)

func TestConformanceOfWhatIsOpened(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := open.Open(t.Context(), "file://store", open.Options{Dir: t.TempDir(), Concurrency: 2})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestTheSchemePicksTheStore(t *testing.T) {
	dir := t.TempDir()
	keys := s3.Options{Keys: &s3.Keys{AccessKey: "a", SecretKey: "b"}}
	for url, want := range map[string]string{
		"mem://":                       "mem://",
		"file://a/b":                   "file://" + filepath.Join(dir, "a", "b"),
		"file://.trueup/store":         "file://" + filepath.Join(dir, ".trueup", "store"),
		"file://" + dir + "/with%20sp": "file://" + dir + "/with sp",
		"s3://bucket/p/q?region=r":     "s3://bucket/p/q?region=r",
	} {
		s, err := open.Open(t.Context(), url, open.Options{Dir: dir, S3: keys})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if s.URL() != want {
			t.Errorf("%s opens %s, want %s", url, s.URL(), want)
		}
	}
}

func TestBadURLsAreRefusedWithoutBeingShown(t *testing.T) {
	for _, url := range []string{"", "folder", "ftp://secret@x", "file://", "file://a?x=secret", "file://%zz", "mem://secret",
		"s3://user:secret@bucket", "s3://bucket?token=secret"} {
		_, err := open.Open(t.Context(), url, open.Options{})
		if fault.CodeOf(err) != "bad_store_url" || fault.HelpOf(err) == "" {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && strings.Contains(fault.Describe(err), "secret") {
			t.Errorf("%q is shown: %v", url, err)
		}
	}
}

func TestCallsAreLogged(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := open.Open(t.Context(), "mem://", open.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutIfAbsent(t.Context(), "log/1", []byte("content")); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, "key=log/1") || strings.Contains(got, "content") {
		t.Errorf("logged: %s", got)
	}
}
