package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/stages/run/schedule"
)

// lookFor bounds one look at the lake for an endpoint.
const lookFor = 10 * time.Second

// listen serves the endpoints at an address until stop.
func (w *watch) listen(ctx context.Context, address string) (stop func(), err error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.New(fault.Permanent, "listen at "+address, err).WithHelp("choose an address of this machine that is free: --listen 127.0.0.1:9464").
			WithNote("no run was begun")
	}
	server := &http.Server{Handler: w.handler(), ReadHeaderTimeout: lookFor}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("the endpoints are down; runs go on", "error", err)
		}
	}()
	w.log.Info("listening", "address", l.Addr().String())
	return func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
		defer cancel()
		if server.Shutdown(closing) != nil {
			_ = server.Close() // somebody holds a connection open; the process ends anyway
		}
		<-done
	}, nil
}

func (w *watch) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(gauges{w})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", w.healthz)
	mux.HandleFunc("GET /readyz", w.readyz)
	return mux
}

// health is the answer of /healthz and /readyz.
type health struct {
	Status  string   `json:"status"` // ok, degraded, not ready
	Reasons []string `json:"reasons,omitempty"`
}

// healthz says that the process is up: always 200, since a restart would mend
// nothing. It is degraded while the project file on disk is not in force.
func (w *watch) healthz(rw http.ResponseWriter, _ *http.Request) {
	if trouble := w.trouble.Load(); trouble != nil {
		answer(rw, http.StatusOK, health{"degraded", []string{"the project file on disk is not in force: " + *trouble}})
		return
	}
	answer(rw, http.StatusOK, health{Status: "ok"})
}

// readyz says that the work gets done: the store answers, and no schedule has
// missed two moments.
func (w *watch) readyz(rw http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), lookFor)
	defer cancel()
	s, err := w.sight(ctx)
	var reasons []string
	if err != nil {
		reasons = append(reasons, "the store does not answer: "+w.c.secrets.Text(err.Error()))
	}
	for _, st := range schedule.Stands(w.project().Schedules, s.past, w.now()) {
		switch {
		case st.Stale && st.Success.IsZero():
			reasons = append(reasons, fmt.Sprintf("schedule %s has never succeeded", st.Schedule.Name))
		case st.Stale:
			reasons = append(reasons, fmt.Sprintf("schedule %s last succeeded at %s", st.Schedule.Name, st.Success.UTC().Format(time.RFC3339)))
		}
	}
	if len(reasons) > 0 {
		answer(rw, http.StatusServiceUnavailable, health{"not ready", reasons})
		return
	}
	answer(rw, http.StatusOK, health{Status: "ok"})
}

func answer(rw http.ResponseWriter, status int, h health) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(h) // whoever hung up does not read it
}
