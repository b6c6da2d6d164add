package s3_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trueup-data/trueup/pipeline/store"
	"github.com/trueup-data/trueup/pipeline/store/mem"
	"github.com/trueup-data/trueup/pipeline/store/s3"
	"github.com/trueup-data/trueup/pipeline/store/storetest"
	"github.com/trueup-data/trueup/pipeline/store/storetest/servers"
)

func TestConformanceOnMinIO(t *testing.T)     { conformance(t, servers.StartMinIO(t)) }
func TestConformanceOnVersityGW(t *testing.T) { conformance(t, servers.StartVersity(t)) }

// conformance gives every test a prefix of its own in one bucket.
func conformance(t *testing.T, server *servers.Server) {
	var tests atomic.Int32
	open := func(t *testing.T) store.Store {
		s, err := s3.Open(t.Context(), server.URL(fmt.Sprintf("t%d/p", tests.Add(1))), s3.Options{
			Keys:      &s3.Keys{AccessKey: server.AccessKey, SecretKey: server.SecretKey},
			PartBytes: 5 << 20, Parallel: 2, ListPage: 7,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, test := range map[string]func(*testing.T, *servers.Server){
		"lost answers are unknown":         lostAnswers,
		"an upload over a bad line":        uploadOverABadLine,
		"an upload is bounded in memory":   uploadMemory,
		"a failed upload aborts its parts": uploadAbortsItsParts,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
	t.Run("it answers as a store in memory", func(t *testing.T) {
		storetest.Agree(t, 4, func() store.Store { return mem.New() }, func() store.Store { return open(t) })
	})
	t.Run("bare", func(t *testing.T) { storetest.Run(t, open) })
	t.Run("wrapped", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			var log strings.Builder
			t.Cleanup(func() {
				if strings.Contains(log.String(), server.SecretKey) {
					t.Error("the log holds a secret")
				}
			})
			quiet := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			return store.Log(store.Limit(store.Retry(open(t), store.Policy{}), 16), quiet)
		})
	})
}
