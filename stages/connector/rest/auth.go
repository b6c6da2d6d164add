package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trueup-data/trueup/pipeline/config"
	"github.com/trueup-data/trueup/pipeline/fault"
	"github.com/trueup-data/trueup/pipeline/pace"
)

// credentials are what a request gets right before it is sent.
type credentials struct {
	headers map[string]string
	query   map[string]string
	token   *token // where they expire; nil otherwise
}

// authorizer hands out credentials. It is safe for concurrent use.
type authorizer interface {
	get(ctx context.Context) (credentials, error)
	// refused tells that an answer was 401, and reports whether a new try can help.
	refused(c credentials) bool
	// accepted tells that an answer was anything else.
	accepted(c credentials)
	secrets() []string
}

// newAuthorizer picks the way that a system authenticates.
func newAuthorizer(s authSettings, at config.Position, c *Client) (authorizer, error) {
	var ways []authorizer
	if s.Bearer != "" {
		ways = append(ways, fixed{credentials{headers: map[string]string{"Authorization": "Bearer " + s.Bearer}}, []string{s.Bearer}})
	}
	if b := s.Basic; b != nil {
		pair := base64.StdEncoding.EncodeToString([]byte(b.User + ":" + b.Password))
		ways = append(ways, fixed{credentials{headers: map[string]string{"Authorization": "Basic " + pair}}, []string{b.Password, pair}})
	}
	if k := s.APIKey; k != nil {
		if (k.Header == "") == (k.Query == "") {
			return nil, config.Problem(at, "auth.api_key needs header or query", "one of them carries the key", "")
		}
		f := fixed{secret: []string{k.Value}}
		if k.Header != "" {
			f.c.headers = map[string]string{k.Header: k.Value}
		} else {
			f.c.query = map[string]string{k.Query: k.Value}
		}
		ways = append(ways, f)
	}
	if s.OAuth2 != nil {
		ways = append(ways, &oauth2{oauth2Settings: *s.OAuth2, client: c})
	}
	switch len(ways) {
	case 0:
		return fixed{}, nil
	case 1:
		return ways[0], nil
	}
	return nil, config.Problem(at, fmt.Sprintf("auth names %d ways", len(ways)), "a request authenticates in one", "keep one of bearer, basic, api_key, oauth2")
}

// fixed are credentials that do not expire.
type fixed struct {
	c      credentials
	secret []string
}

func (f fixed) get(context.Context) (credentials, error) { return f.c, nil }
func (f fixed) refused(credentials) bool                 { return false }
func (f fixed) accepted(credentials)                     {}
func (f fixed) secrets() []string                        { return f.secret }

// token is an access token and its life.
type token struct {
	value    string
	expires  time.Time // zero: never
	after401 bool      // it replaced one that was refused, and was not accepted yet
}

// earlyShare is how much of a token's life is given up, so that no request
// carries one that expires on the way.
const earlyShare = 10

func (t *token) fresh(now time.Time) bool {
	return t != nil && (t.expires.IsZero() || now.Before(t.expires))
}

// oauth2 fetches tokens by client credentials: one fetch at a time for all
// streams of a system, before the old one expires.
type oauth2 struct {
	oauth2Settings
	client *Client

	mu      sync.Mutex // held during a fetch: whoever needs the token waits for it
	current *token
	burnt   bool // the last token was refused
}

func (o *oauth2) secrets() []string { return []string{o.ClientSecret} }

func (o *oauth2) get(ctx context.Context) (credentials, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.current.fresh(o.client.now()) {
		t, err := o.fetch(ctx)
		if err != nil {
			return credentials{}, err
		}
		t.after401, o.burnt = o.burnt, false
		o.current = t
	}
	return credentials{headers: map[string]string{"Authorization": "Bearer " + o.current.value}, token: o.current}, nil
}

// refused throws the token away, once: a second 401 with the token that replaced
// it says that the credentials themselves are wrong.
func (o *oauth2) refused(c credentials) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current == c.token {
		o.current, o.burnt = nil, true
	}
	return c.token != nil && !c.token.after401
}

func (o *oauth2) accepted(c credentials) {
	if c.token == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	c.token.after401 = false
}

// fetch asks the token endpoint. It goes through the gate's retries but not
// through its slots: its caller holds one.
func (o *oauth2) fetch(ctx context.Context) (*token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(o.Scopes) > 0 {
		form.Set("scope", strings.Join(o.Scopes, " "))
	}
	p := pace.Policy{MaxTries: 4, MaxElapsed: time.Minute}
	began := o.client.now()
	for n := 1; ; n++ {
		t, again, err := o.fetchOnce(ctx, form.Encode())
		if err == nil || !again {
			return t, err
		}
		d := p.Next(pace.Try{Number: n, Elapsed: o.client.now().Sub(began), RetryAfter: fault.RetryAfterOf(err)}, o.client.random())
		if !d.Again {
			return nil, err
		}
		if err := o.client.wait(ctx, d.Wait); err != nil {
			return nil, err
		}
	}
}

func (o *oauth2) fetchOnce(ctx context.Context, form string) (t *token, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.client.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL.Text, strings.NewReader(form))
	if err != nil {
		return nil, false, o.fail(fault.Permanent, errors.New("token_url is not a URL"), 0)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
	asked := o.client.now()
	resp, err := o.client.reads.Do(req)
	if err != nil {
		return nil, true, o.fail(fault.Transient, o.client.clean(err), 0)
	}
	body, err := readBody(resp)
	hints := pace.ReadHints(resp.Header, o.client.now(), time.Minute)
	switch {
	case err != nil || resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return nil, true, o.fail(fault.Transient, fmt.Errorf("status %d", resp.StatusCode), hints.RetryAfter)
	case resp.StatusCode != http.StatusOK:
		return nil, false, o.fail(fault.Permanent, fmt.Errorf("status %d %s", resp.StatusCode, scalar(body, "error")), 0)
	}
	value := scalar(body, "access_token")
	if checkJSON(body) != nil || value == "" {
		return nil, true, o.fail(fault.Transient, errors.New("the answer has no access_token"), 0)
	}
	o.client.redact.Add(value)
	t = &token{value: value}
	if s, err := strconv.ParseFloat(scalar(body, "expires_in"), 64); err == nil && s > 0 {
		life := time.Duration(s * float64(time.Second))
		t.expires = asked.Add(life - life/earlyShare)
	}
	return t, false, nil
}

func (o *oauth2) fail(kind fault.Kind, err error, after time.Duration) error {
	return &fault.Error{Kind: kind, Op: "get an access token", Where: fault.Place{System: o.client.name}, Err: err, RetryAfter: after,
		Help: "check auth.oauth2 of " + o.client.name + ", then run again", Note: "nothing was sent to the system"}
}
