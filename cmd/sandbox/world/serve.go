package world

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Handler is the HTTP API of a system; it panics where the world has no such
// system. Faults take over connections, so it needs a real HTTP/1.1 server.
func (w *World) Handler(system string) http.Handler {
	for _, sys := range w.systems {
		if sys.name == system {
			return &door{w.server(sys)}
		}
	}
	panic("world: there is no system " + system)
}

// Systems lists the systems of this world.
func (w *World) Systems() []string {
	var names []string
	for _, sys := range w.systems {
		names = append(names, sys.name)
	}
	return names
}

// About says what a system is, for people.
func (w *World) About(system string) string {
	for _, sys := range w.systems {
		if sys.name == system {
			return sys.about
		}
	}
	return ""
}

// Admin names the admin server among addresses.
const Admin = "admin"

// Addresses says where servers listen, by system or Admin, as host:port; port 0
// picks a free one and what is not there is 127.0.0.1:0.
type Addresses map[string]string

// Servers are the running servers of a world.
type Servers struct {
	URL map[string]string // by system, and Admin

	world   *World
	servers []*http.Server
	running sync.WaitGroup
}

// Serve starts a server for each system and the admin server, which has no
// authentication and shows everything: it belongs on loopback.
func (w *World) Serve(ctx context.Context, at Addresses) (*Servers, error) {
	s := &Servers{world: w, URL: map[string]string{}}
	for name := range at {
		if name != Admin && !slices.Contains(w.Systems(), name) {
			return nil, fmt.Errorf("this world has no system %q to listen for", name)
		}
	}
	for _, name := range append(w.Systems(), Admin) {
		handler := w.AdminHandler()
		if name != Admin {
			handler = w.Handler(name)
		}
		if err := s.start(ctx, name, cmp.Or(at[name], "127.0.0.1:0"), handler); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Env is what a project file reads from the environment: "PMS_URL=...",
// "PMS_TOKEN=..." and the like, for each system, with "VOYAGO_USER=..." and
// "VOYAGO_PASSWORD=..." where there are two.
func (s *Servers) Env() []string {
	var env []string
	for _, system := range s.world.Systems() {
		name := strings.ToUpper(system)
		env = append(env, name+"_URL="+s.URL[system])
		if user, password, two := strings.Cut(s.world.opt.Credentials[system], ":"); two {
			env = append(env, name+"_USER="+user, name+"_PASSWORD="+password)
		} else {
			env = append(env, name+"_TOKEN="+user)
		}
	}
	return env
}

func (s *Servers) start(ctx context.Context, name, at string, h http.Handler) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", at)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", at, err)
	}
	s.URL[name] = "http://" + l.Addr().String()
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
