package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/observe"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// maxBody bounds an answer. A page is held in memory once, as it came.
const maxBody = 256 << 20

// Deps are what a connector works with. Gate is required.
type Deps struct {
	Gate   *pace.Gate        // the one gate of the system
	Client *Client           // what all streams of the system share; nil: the stream has its own
	Policy pace.Policy       // of retries; its zero value has defaults
	Redact *observe.Redactor // learns the tokens that are fetched; nil: the client has its own
	Log    *slog.Logger      // nil: none

	// Lists gives the IDs of an entity of this system, for partition.from.
	Lists func(ctx context.Context, entity string) ([]string, error)

	Now    func() time.Time // default time.Now
	Random func() float64
	Wait   func(ctx context.Context, d time.Duration) error
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS    *tls.Config
}

// Client is what all streams of one system share: its address, credentials,
// connections and secrets. It is safe for concurrent use. Close ends its
// connections.
type Client struct {
	name    string
	base    *url.URL
	headers map[string]string
	auth    authorizer
	reads   *http.Client
	writes  *http.Client
	timeout time.Duration
	redact  *observe.Redactor
	now     func() time.Time
	random  func() float64
	wait    func(ctx context.Context, d time.Duration) error
}

// NewClient makes the shared part of a system.
func NewClient(sys config.System, deps Deps) (*Client, error) {
	var s systemSettings
	if err := sys.Settings.Decode(&s); err != nil {
		return nil, err
	}
	base, err := url.Parse(s.BaseURL.Text)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, config.Problem(s.BaseURL.At, "base_url is not a plain http(s) URL", "credentials and parameters have keys of their own",
			"write it as in https://api.example.com/v2")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	c := &Client{
		name: sys.Name, base: base, headers: map[string]string{}, timeout: sys.Limits.Timeout, redact: deps.Redact,
		now: deps.Now, random: deps.Random, wait: deps.Wait,
	}
	c.defaults()
	for _, h := range s.Headers {
		c.headers[h.Key] = h.Value
	}
	if c.auth, err = newAuthorizer(s.Auth, s.BaseURL.At, c); err != nil {
		return nil, err
	}
	c.redact.Add(c.auth.secrets()...)
	c.connect(sys.Limits.Concurrency, deps)
	return c, nil
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
	if c.random == nil {
		c.random = rand.Float64
	}
	if c.wait == nil {
		c.wait = pace.Sleep
	}
}

// connect makes the connection pools: one for reads, and one for writes whose
// connections are fenced. Neither follows redirects: our credentials belong to
// base_url, and a redirected POST would become a GET.
func (c *Client) connect(concurrency int, deps Deps) {
	dial := deps.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	concurrency = max(4, concurrency)
	reads := &http.Transport{
		DialContext: dial, TLSClientConfig: deps.TLS.Clone(), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: concurrency,
		IdleConnTimeout: 60 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.reads = &http.Client{Transport: reads, CheckRedirect: stay}
	c.writes = &http.Client{Transport: fencedTransport(dial, deps.TLS, concurrency), CheckRedirect: stay}
}

// Close ends idle connections.
func (c *Client) Close() {
	c.reads.CloseIdleConnections()
	c.writes.CloseIdleConnections()
}

// Secrets are the values that no output may show. They grow as tokens are fetched.
func (c *Client) Secrets() []string { return c.auth.secrets() }

// address puts a rendered path and its parameters behind the base URL, or takes
// an absolute URL of the same origin as it is.
func (c *Client) address(path string, q url.Values) (*url.URL, error) {
	if strings.HasPrefix(path, "/") {
		path = c.base.Scheme + "://" + c.base.Host + c.base.EscapedPath() + path
	}
	u, err := url.Parse(path)
	if err != nil || !sameOrigin(u, c.base) {
		return nil, errors.New("the URL is not one of " + c.base.Host)
	}
	if len(q) > 0 {
		merged := u.Query()
		for name, v := range q {
			merged[name] = v
		}
		u.RawQuery = merged.Encode()
	}
	return u, nil
}

// authorize adds what is secret, last: nothing before it ever holds a credential.
func (c *Client) authorize(req *http.Request, cred credentials) {
	for name, v := range cred.headers {
		req.Header.Set(name, v)
	}
	if len(cred.query) > 0 {
		q := req.URL.Query()
		for name, v := range cred.query {
			q.Set(name, v)
		}
		req.URL.RawQuery = q.Encode()
	}
}

// public is a URL without what authorize or the system itself put in.
func (c *Client) public(u *url.URL) string { return c.redact.Text(c.bare(u).String()) }

// bare takes our API key out of a URL.
func (c *Client) bare(u *url.URL) *url.URL {
	f, ok := c.auth.(fixed)
	if !ok || len(f.c.query) == 0 {
		return u
	}
	q := u.Query()
	for name := range f.c.query {
		q.Del(name)
	}
	p := *u
	p.RawQuery = q.Encode()
	return &p
}

// clean is the reason of a failed request, without the URL that net/http adds:
// it may carry an API key.
func (c *Client) clean(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if t := err.Error(); c.redact.Text(t) != t {
		return errors.New(c.redact.Text(t))
	}
	return err
}

// head is the begin of a body for messages. It is masked before it is cut: half
// of a secret would be known to nobody, and still be half of a secret.
func (c *Client) head(body []byte, n int) string {
	return head([]byte(c.redact.Text(head(body, 20*n))), n)
}

// readBody reads a whole answer and closes it. A stream that ends before its
// announced length is an error of net/http.
func readBody(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("the answer is larger than 256 MiB; ask for smaller pages")
	}
	return body, err
}
