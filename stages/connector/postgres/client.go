package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// Client is what all streams of one system share: its address and connections.
// It is safe for concurrent use. Close ends the connections.
type Client struct {
	name    string
	config  *pgconn.Config
	timeout time.Duration
	redact  *observe.Redactor
	now     func() time.Time
	wait    func(ctx context.Context, d time.Duration) error

	mu     sync.Mutex
	idle   []*pgconn.PgConn
	most   int // idle connections that are kept
	closed bool
}

// NewClient makes the shared part of a system. It does not connect.
func NewClient(sys config.System, deps Deps) (*Client, error) {
	var s systemSettings
	if err := sys.Settings.Decode(&s); err != nil {
		return nil, err
	}
	c, err := pgconn.ParseConfig(s.DSN)
	if err != nil { // its text may quote the DSN, and so the password
		return nil, config.Problem(sys.Settings.Get("dsn").At(), "dsn cannot be read", "",
			"write it as postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	client := &Client{name: sys.Name, config: c, timeout: sys.Limits.Timeout, redact: deps.Redact, now: deps.Now, wait: deps.Wait,
		most: max(2, sys.Limits.Concurrency)}
	client.defaults()
	if c.Password != "" {
		client.redact.Add(c.Password)
	}
	c.DialFunc = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = client.timeout
	}
	for name, value := range map[string]string{
		"application_name": "trueup", "client_encoding": "UTF8", "timezone": "UTC", "datestyle": "ISO, YMD", "bytea_output": "hex",
		"standard_conforming_strings": "on", "extra_float_digits": "1",
	} {
		c.RuntimeParams[name] = value
	}
	return client, nil
}

func (c *Client) defaults() {
	if c.timeout <= 0 {
		c.timeout = 30 * time.Second
	}
	if c.redact == nil {
		c.redact = observe.NewRedactor()
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.wait == nil {
		c.wait = pace.Sleep
	}
}

// get gives a connection that is in no transaction. Give it back by put.
func (c *Client) get(ctx context.Context) (*pgconn.PgConn, error) {
	c.mu.Lock()
	for n := len(c.idle); n > 0; n = len(c.idle) {
		conn := c.idle[n-1]
		c.idle = c.idle[:n-1]
		if !conn.IsClosed() {
			c.mu.Unlock()
			return conn, nil
		}
		c.mu.Unlock()
		c.end(conn)
		c.mu.Lock()
	}
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, errors.New("the connections to " + c.name + " are closed")
	}
	conn, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, c.connectError(err)
	}
	return conn, nil
}

// put keeps a connection for later, unless something is left open on it.
func (c *Client) put(conn *pgconn.PgConn) {
	const idle = 'I' // in no transaction
	c.mu.Lock()
	keep := !c.closed && !conn.IsClosed() && !conn.IsBusy() && conn.TxStatus() == idle && len(c.idle) < c.most
	if keep {
		c.idle = append(c.idle, conn)
	}
	c.mu.Unlock()
	if !keep {
		c.end(conn)
	}
}

// end closes a connection; what was open on it is rolled back by the server.
func (c *Client) end(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing depends on how it ends
}

// Close ends the idle connections; those in use end when they are given back.
func (c *Client) Close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, conn := range idle {
		c.end(conn)
	}
}

// connectError says why there is no connection. A server that refuses who we are
// will refuse it again.
func (c *Client) connectError(err error) error {
	place := fault.Place{System: c.name, Object: fmt.Sprintf("%s:%d/%s", c.config.Host, c.config.Port, c.config.Database)}
	e := fault.New(fault.Transient, "connect", c.clean(err)).WithWhere(place).WithCode(fault.CodeUnreachable)
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		e.Kind = kindOf(refused)
		if e.Kind == fault.Permanent {
			e.Code, e.Help = fault.CodeAccessRefused, "check the dsn of systems."+c.name
		}
	}
	if errors.Is(err, context.Canceled) {
		e.Kind = fault.Canceled
	}
	return e
}

// clean is an error without what no output may show.
func (c *Client) clean(err error) error {
	if t := err.Error(); c.redact.Text(t) != t {
		return errors.New(c.redact.Text(t))
	}
	return err
}
