package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// idleWrites is how long a connection for writes is kept without use: less than
// the shortest keep-alive time that servers are known for (5s). A connection
// that the server closes while we send on it leaves a doubt.
const idleWrites = 3 * time.Second

// fencedTransport makes connections that ask before the first byte of every
// request. HTTP/1.1 only: there, a connection carries one request at a time.
func fencedTransport(dial func(context.Context, string, string) (net.Conn, error), conf *tls.Config, idle int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &fencedConn{Conn: c}, nil
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return handshake(ctx, c, conf, addr)
		},
		Protocols: protocols, DisableCompression: true, MaxIdleConnsPerHost: idle, IdleConnTimeout: idleWrites,
	}
}

// handshake puts TLS on a connection, before the fence: its bytes change nothing
// in the system.
func handshake(ctx context.Context, c net.Conn, conf *tls.Config, addr string) (net.Conn, error) {
	conf = conf.Clone()
	if conf == nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr
		}
		conf.ServerName = host
	}
	conf.NextProtos = []string{"http/1.1"}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	t := tls.Client(c, conf)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = c.Close() // the handshake's error is the one that counts
		return nil, err
	}
	return &fencedConn{Conn: t}, nil
}

// Errors of a fenced connection. Neither lets a byte through.
var (
	errUnarmed = errors.New("a connection was used without a request")
	errResend  = errors.New("the HTTP library tried to send a write again by itself")
)

// crossing is one write on its way to the wire: it may pass one fence, once, on
// one connection.
type crossing struct {
	fence func() error

	mu      sync.Mutex
	conn    *fencedConn // that carries it; nil: nothing was sent
	refused error       // the fence's own error
}

// enter lets the bytes of a request through on one connection only. The first
// call asks the fence.
func (x *crossing) enter(c *fencedConn) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.refused != nil:
		return x.refused
	case x.conn == c:
		return nil
	case x.conn != nil:
		return errResend
	}
	if err := x.fence(); err != nil {
		x.refused = err
		return err
	}
	x.conn = c
	return nil
}

// state is whether a byte may have left, and the fence's error.
func (x *crossing) state() (sent bool, refused error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.conn != nil, x.refused
}

// watched arms every connection that the transport picks for the request.
func (x *crossing) watched(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if c, ok := i.Conn.(*fencedConn); ok {
			c.arm(x)
		}
	}})
}

// fencedConn is a connection that sends nothing but for an armed request.
type fencedConn struct {
	net.Conn
	mu sync.Mutex
	x  *crossing
}

func (c *fencedConn) arm(x *crossing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.x = x
}

// Write passes on what the request's crossing lets through.
func (c *fencedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	x := c.x
	c.mu.Unlock()
	if x == nil {
		return 0, errUnarmed
	}
	if err := x.enter(c); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
