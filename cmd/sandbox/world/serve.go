package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// PMSHandler is the HTTP API of the PMS. Faults take over connections, so it
// needs a real HTTP/1.1 server.
func (w *World) PMSHandler() http.Handler { return &door{world: w, system: PMS, api: newPMS(w)} }

// StaybnbHandler is the HTTP API of staybnb; as with PMSHandler it needs a real server.
func (w *World) StaybnbHandler() http.Handler {
	return &door{world: w, system: Staybnb, api: newStaybnb(w)}
}

// Addresses says where servers listen, as host:port; port 0 picks a free one and
// "" means 127.0.0.1:0.
type Addresses struct {
	PMS, Staybnb, Admin string
}

// Servers are the running servers of a world.
type Servers struct {
	PMSURL     string `json:"pms_url"`
	StaybnbURL string `json:"staybnb_url"`
	AdminURL   string `json:"admin_url"`

	world   *World
	servers []*http.Server
	running sync.WaitGroup
}

// Serve starts the three servers. The admin server has no authentication and
// shows everything: it belongs on loopback.
func (w *World) Serve(ctx context.Context, at Addresses) (*Servers, error) {
	s := &Servers{world: w}
	for _, one := range []struct {
		at      string
		url     *string
		handler http.Handler
	}{
		{at.PMS, &s.PMSURL, w.PMSHandler()}, {at.Staybnb, &s.StaybnbURL, w.StaybnbHandler()}, {at.Admin, &s.AdminURL, w.AdminHandler()},
	} {
		if err := s.start(ctx, one.at, one.url, one.handler); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Servers) start(ctx context.Context, at string, url *string, h http.Handler) error {
	if at == "" {
		at = "127.0.0.1:0"
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", at)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", at, err)
	}
	*url = "http://" + l.Addr().String()
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	s.servers = append(s.servers, server)
	s.running.Go(func() { _ = server.Serve(l) }) // it only returns when Close closes it
	return nil
}

// Close stops the servers at once and waits for them. It returns why the journal
// could not be written, if so. Closing twice is safe.
func (s *Servers) Close() error {
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.running.Wait()
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return s.world.journal.failed()
}
