package pace

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkLoadPaced writes through the gate of a system that allows 200
// requests a second and answers after 5 ms. Its yardstick is the rate allowed.
func BenchmarkLoadPaced(b *testing.B) {
	const allowed, latency, writers = 200, 5 * time.Millisecond, 8
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = Sleep(r.Context(), latency)
	}))
	defer srv.Close()
	send := func(ctx context.Context) Attempt {
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, nil)
		resp, err := srv.Client().Do(req)
		if err != nil {
			return Attempt{Err: err}
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return Attempt{Err: resp.Body.Close()}
	}
	g := New(Options{System: "s", RequestsPerSecond: allowed, Burst: 1, Concurrency: writers, Adaptive: true})
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := g.Do(b.Context(), Urgent, Policy{}, send); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	perSecond := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(perSecond, "writes/s")
	b.ReportMetric(perSecond/allowed, "x_allowed")
}
